package uffizi;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Loads the native library once per JVM: the file that the system property {@value #PATH_PROPERTY}
 * names, else the one packed in the jar for this operating system and processor.
 */
final class NativeLibrary {
  static final String PATH_PROPERTY = "uffizi.native.path";
  private static final String FOLDER = "/uffizi/native/";
  private static final String LIBRARY = "libuffizi_jni.so";

  private NativeLibrary() {}

  /**
   * Does nothing after the first call. If loading fails, every call throws UnsatisfiedLinkError
   * with the reason. Called before native objects are created: the class {@link Native} would give
   * the reason only once, and afterwards only report that it could not be initialized.
   */
  static void load() {
    Holder.ensureLoaded();
  }

  /** Class initialization runs only once; a failure is stored to be reported again. */
  private static final class Holder {
    private static final String FAILURE = tryLoad();

    static void ensureLoaded() {
      if (FAILURE != null) throw new UnsatisfiedLinkError(FAILURE);
    }

    private static String tryLoad() {
      try {
        String path = System.getProperty(PATH_PROPERTY, "");
        if (path.isEmpty()) loadFromJar(platform());
        else System.load(Path.of(path).toAbsolutePath().toString());
        return null;
      } catch (IOException | UnsatisfiedLinkError error) {
        return explain(String.valueOf(error.getMessage()));
      }
    }
  }

  private static final Pattern OLD_C_LIBRARY = Pattern.compile("version [`']GLIBC_([0-9.]+)' not found");
  private static final Pattern NO_LIBRARY =
      Pattern.compile("([^\\s:/]+\\.so[.0-9]*): cannot open shared object file");

  /** Explains in one line what is missing on this system and what to do. {@code reason}: the
   * linker's message.
   */
  static String explain(String reason) {
    String line = reason.replaceAll("\\s+", " ").trim();
    return "Uffizi's native library cannot be loaded on " + system() + ": " + advice(line);
  }

  private static String advice(String reason) {
    Matcher version = OLD_C_LIBRARY.matcher(reason);
    if (version.find()) {
      return "it needs glibc " + version.group(1) + " or later, and this system's is older (ldd --version tells); "
          + "use a newer system or container image, such as RHEL 8, Debian 10, Ubuntu 20.04 or later";
    }
    if (reason.contains("ld-linux") || reason.contains("musl")) {
      return "it needs glibc, and this system has another C library (Alpine's musl?); use an image of "
          + "Debian, Ubuntu or RHEL (" + reason + ")";
    }
    Matcher library = NO_LIBRARY.matcher(reason);
    if (library.find()) {
      return "it needs " + library.group(1) + ", which is not there; install the package that holds it ("
          + reason + ")";
    }
    if (reason.contains("failed to map segment") || reason.contains("Operation not permitted")) {
      return "programs may not be loaded from " + System.getProperty("java.io.tmpdir")
          + "; name another folder with -Djava.io.tmpdir=/path (" + reason + ")";
    }
    return reason;
  }

  private static String system() {
    return System.getProperty("os.name") + " " + System.getProperty("os.version") + ", "
        + System.getProperty("os.arch") + ", Java " + System.getProperty("java.version");
  }

  /** The names of the folders in the jar: "linux-x86_64", "linux-aarch64". */
  static String platform() {
    String os = System.getProperty("os.name").toLowerCase(Locale.ROOT).split(" ")[0];
    String arch = System.getProperty("os.arch");
    return os + "-" + (arch.equals("amd64") ? "x86_64" : arch);
  }

  private static void loadFromJar(String platform) throws IOException {
    List<String> files = listFiles(platform);
    Path folder = Files.createTempDirectory("uffizi-native-");
    try {
      for (String file : files) {
        try (InputStream in = open(platform, file)) {
          Files.copy(in, folder.resolve(file));
        }
      }
      System.load(folder.resolve(LIBRARY).toString());
    } finally {
      // The loaded library stays mapped, so no file is left behind even if the JVM is killed later.
      for (String file : files) Files.deleteIfExists(folder.resolve(file));
      Files.deleteIfExists(folder);
    }
  }

  private static List<String> listFiles(String platform) throws IOException {
    List<String> files = new ArrayList<>();
    try (BufferedReader reader =
        new BufferedReader(
            new InputStreamReader(open(platform, "files.txt"), StandardCharsets.UTF_8))) {
      for (String line = reader.readLine(); line != null; line = reader.readLine()) {
        if (!line.isBlank()) files.add(line.trim());
      }
    }
    return files;
  }

  private static InputStream open(String platform, String file) throws IOException {
    InputStream in = NativeLibrary.class.getResourceAsStream(FOLDER + platform + "/" + file);
    if (in == null) {
      throw new IOException(
          "this jar holds none for " + platform + " (no " + FOLDER + platform + "/" + file
              + "); take the jar of a release, which has linux-x86_64 and linux-aarch64, or name another with -D"
              + PATH_PROPERTY + "=/path/to/" + LIBRARY);
    }
    return in;
  }
}
