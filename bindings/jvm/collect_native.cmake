# Copies LIBRARY, libuffizi (UFFIZI) and whatever else they need to the folder OUT, but for what
# every Linux has: the C and C++ run-time libraries. files.txt lists them.
file(REMOVE_RECURSE ${OUT})
file(MAKE_DIRECTORY ${OUT})
get_filename_component(uffizi_dir ${UFFIZI} DIRECTORY)
file(GET_RUNTIME_DEPENDENCIES
  MODULES ${LIBRARY} LIBRARIES ${UFFIZI}
  DIRECTORIES ${uffizi_dir}
  RESOLVED_DEPENDENCIES_VAR libraries
  PRE_EXCLUDE_REGEXES "^ld-linux" "^lib(c|m|dl|rt|pthread|resolv|util|gcc_s|stdc\\+\\+)\\.so")
foreach(library ${LIBRARY} ${libraries})
  get_filename_component(name ${library} NAME)
  file(REAL_PATH ${library} file)
  configure_file(${file} ${OUT}/${name} COPYONLY)
  execute_process(COMMAND ${STRIP} --strip-unneeded ${OUT}/${name})
  list(APPEND names ${name})
endforeach()
list(REMOVE_DUPLICATES names)
list(JOIN names "\n" text)
file(WRITE ${OUT}/files.txt "${text}\n")
