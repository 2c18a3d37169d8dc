# cmake -DINPUT=font.ttf -DOUTPUT=font_data.cc -P embed.cmake
# Writes a file's bytes as the array kFontData.
file(READ ${INPUT} bytes HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
# Lines of 8 bytes.
string(REGEX REPLACE "((0x..,)(0x..,)(0x..,)(0x..,)(0x..,)(0x..,)(0x..,)(0x..,))" "\\1\n" bytes "${bytes}")
file(WRITE ${OUTPUT} "#include \"image/font_data.h\"\n
namespace uffizi {
const unsigned char kFontData[] = {
${bytes}};
}  // namespace uffizi
")
