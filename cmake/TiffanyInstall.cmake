# Installed and exported as package `tiffany`.
