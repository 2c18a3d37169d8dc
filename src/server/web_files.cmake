# Writes WEB_FILES_SOURCE, which holds the page of web/, the sample pictures and the OpenAPI document
# as they are on disk: the assembler puts their bytes into the program.
set(web_files
    "/" ${PROJECT_SOURCE_DIR}/web/index.html
    "/docs" ${PROJECT_SOURCE_DIR}/web/docs.html
    "/openapi.json" ${CMAKE_CURRENT_SOURCE_DIR}/openapi.json)
file(GLOB pages CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/web/*.js ${PROJECT_SOURCE_DIR}/web/*.css
     ${PROJECT_SOURCE_DIR}/web/*.svg)
foreach(file IN LISTS pages)
  cmake_path(GET file FILENAME name)
  list(APPEND web_files "/${name}" ${file})
endforeach()
foreach(name IN ITEMS penguins.jpg shop.jpg village.jpg football.jpg meadow.jpg space.jpg)
  list(APPEND web_files "/samples/${name}" ${PROJECT_SOURCE_DIR}/samples/${name})
endforeach()

set(type_html "text/html; charset=utf-8")
set(type_css "text/css; charset=utf-8")
set(type_js "text/javascript; charset=utf-8")
set(type_json "application/json")
set(type_svg "image/svg+xml")
set(type_jpg "image/jpeg")

set(declarations "")
set(table "")
set(depends "")
set(index 0)
while(web_files)
  list(POP_FRONT web_files path file)
  list(APPEND depends ${file})
  cmake_path(GET file EXTENSION LAST_ONLY extension)
  string(SUBSTRING ${extension} 1 -1 extension)
  set(symbol "uffizi_web_file_${index}")
  string(APPEND declarations
"asm(\".section .rodata\\n${symbol}: .incbin \\\"${file}\\\"\\n${symbol}_end: .byte 0\\n.previous\");
extern \"C\" __attribute__((visibility(\"hidden\"))) const char ${symbol}[], ${symbol}_end[];
")
  string(APPEND table "    {\"${path}\", \"${type_${extension}}\", {${symbol}, ${symbol}_end}},\n")
  math(EXPR index "${index} + 1")
endwhile()
set(WEB_FILES_SOURCE ${CMAKE_CURRENT_BINARY_DIR}/web_files.cc)
file(CONFIGURE OUTPUT ${WEB_FILES_SOURCE} @ONLY CONTENT "#include \"server/web_files.h\"

${declarations}
namespace uffizi::server {

std::span<const WebFile> WebFiles() {
  static const WebFile files[] = {
${table}  };
  return files;
}

}  // namespace uffizi::server
")
set_source_files_properties(${WEB_FILES_SOURCE} PROPERTIES OBJECT_DEPENDS "${depends}")
