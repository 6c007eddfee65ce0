# Debian's own, which has Debian's pytest. Not looked for: building needs none, and a test whose
# program is not there fails.
set(FPROXY_PYTHON /usr/bin/python3)

# fproxy_unit_test(NAME LIB...): tests/unit/test_NAME.c, a cmocka program run by CTest.
function(fproxy_unit_test name)
  add_executable(test_${name} ${CMAKE_SOURCE_DIR}/tests/unit/test_${name}.c)
  target_link_libraries(test_${name} PRIVATE ${ARGN} PkgConfig::CMOCKA)
  set_target_properties(test_${name} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  add_test(NAME unit.${name} COMMAND test_${name})
  set_tests_properties(unit.${name} PROPERTIES TIMEOUT 120 LABELS unit)
endfunction()

# fproxy_fuzzer(NAME LIB...): tests/fuzz/fuzz_NAME.c with seeds in tests/fuzz/NAME/.
function(fproxy_fuzzer name)
  if(NOT FPROXY_FUZZ)
    return()
  endif()
  add_executable(fuzz_${name} ${CMAKE_SOURCE_DIR}/tests/fuzz/fuzz_${name}.c)
  target_link_libraries(fuzz_${name} PRIVATE ${ARGN})
  target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
  set_target_properties(fuzz_${name} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzz)
endfunction()
