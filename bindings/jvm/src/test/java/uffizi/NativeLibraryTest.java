package uffizi;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What a person reads where the native library cannot be loaded. */
class NativeLibraryTest {
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '~',
      value = {
        "/tmp/x.so: /lib/libc.so.6: version `GLIBC_2.28' not found (required by /tmp/x.so) | needs glibc 2.28 or later",
        "/tmp/x.so: libuv.so.1: cannot open shared object file: No such file or directory | needs libuv.so.1, which",
        "Error loading shared library ld-linux-x86-64.so.2: No such file or directory | another C library",
        "/tmp/x.so: failed to map segment from shared object | -Djava.io.tmpdir=",
        "this jar holds none for mac-arm64 | this jar holds none for mac-arm64",
      })
  void saysWhatIsMissingOnWhatSystem(String reason, String words) {
    String said = NativeLibrary.explain(reason + "\nand more");
    assertTrue(said.contains(words), said);
    assertEquals(1, said.lines().count(), said);
    assertTrue(said.contains(System.getProperty("os.arch")), said);
    assertTrue(said.contains("Java " + System.getProperty("java.version")), said);
  }
}
