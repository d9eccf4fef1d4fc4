echo no database here >&2
exit 3
