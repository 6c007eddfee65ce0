# Compiler and linker flags of every target.

add_compile_definitions(_GNU_SOURCE FPROXY_VERSION="${PROJECT_VERSION}")
include_directories(${CMAKE_SOURCE_DIR})
add_compile_options(
  -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition
  -Wpointer-arith -Wwrite-strings -Wvla -Wundef -Wformat=2 -Wno-unused-parameter
  -fno-strict-aliasing -fno-common
  -fno-omit-frame-pointer)       # base/crash.c walks them
if(FPROXY_WERROR)
  add_compile_options(-Werror)
endif()

if(FPROXY_SANITIZE)
  add_compile_options(-fsanitize=${FPROXY_SANITIZE} -fno-sanitize-recover=all -O1)
  add_link_options(-fsanitize=${FPROXY_SANITIZE})
else()
  add_compile_options(-fstack-protector-strong -fstack-clash-protection)
  add_compile_options($<$<NOT:$<CONFIG:Debug>>:-D_FORTIFY_SOURCE=2>)
  add_link_options(-pie -Wl,-z,relro,-z,now -Wl,--as-needed)
endif()

if(FPROXY_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
