package uffizi;

import java.nio.charset.StandardCharsets;
import java.util.Map;

/**
 * The native methods, one for each function of the C interface that is used here. Text is passed as
 * UTF-8 bytes, options as name, value, name, value, ... All throw UffiziException.
 */
final class Native {
  static {
    NativeLibrary.load();
  }

  private Native() {}

  static native byte[] resolveModel(byte[] source);

  static native long loadEngine(byte[] folder, byte[][] options);

  static native byte[] engineInfo(long engine);

  static native void freeEngine(long engine);

  static native long newSession(long engine);

  static native void freeSession(long session);

  static native long decodeImage(byte[] bytes, byte[] name, byte[][] options);

  static native long imageFromPixels(byte[] pixels, int width, int height, int format);

  static native int imageWidth(long image);

  static native int imageHeight(long image);

  static native byte[] imageBgr(long image);

  static native byte[] encodeImage(long image, byte[] format, int quality);

  static native long drawImage(long image, long results, int index, long maxPixels);

  static native void freeImage(long image);

  static native long encode(long session, long image, byte[] tiles);

  static native void freeEncoded(long encoded);

  static native long run(long session, long[] pictures, byte[][] texts, byte[][] options);

  static native Answer answer(long results, int index, Results owner);

  static native void freeResults(long results);

  static byte[] utf8(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  static byte[][] options(Map<String, String> options) {
    byte[][] flat = new byte[2 * options.size()][];
    int i = 0;
    for (Map.Entry<String, String> option : options.entrySet()) {
      flat[i++] = utf8(option.getKey());
      flat[i++] = utf8(option.getValue());
    }
    return flat;
  }
}
