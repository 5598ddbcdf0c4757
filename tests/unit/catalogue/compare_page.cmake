# Fails if docs/events.md is not what the generator makes of the catalogue.
execute_process(COMMAND "${GENERATOR}" events-page OUTPUT_VARIABLE made COMMAND_ERROR_IS_FATAL ANY)
file(READ "${PAGE}" committed)
if(NOT made STREQUAL committed)
  message(FATAL_ERROR "docs/events.md is not what the catalogue says; make it anew:\n  ${GENERATOR} events-page > ${PAGE}")
endif()
