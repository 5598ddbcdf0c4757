// A plugin whose constructor calls the program that opens it: with the loader's lock held.

extern "C" void tiffany_testing_in_constructor();

namespace {

[[gnu::constructor]] void call_the_program() {
    tiffany_testing_in_constructor();
}

}  // namespace
