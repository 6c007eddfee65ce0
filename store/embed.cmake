# cmake -D INPUT=FILE -D OUTPUT=HEADER -D NAME=IDENTIFIER -P embed.cmake
# Writes the text of INPUT as a C string into OUTPUT.
file(READ "${INPUT}" text)
string(REPLACE "\\" "\\\\" text "${text}")
string(REPLACE "\"" "\\\"" text "${text}")
string(REPLACE "\n" "\\n\"\n    \"" text "${text}")
file(WRITE "${OUTPUT}"
  "/* Generated from a .sql file by embed.cmake. */\n"
  "static const char ${NAME}[] =\n    \"${text}\";\n")
