package uffizi;

import java.lang.ref.Reference;
import java.util.Map;

/** A decoded picture, outside the Java heap. */
public final class Picture extends NativeHandle {
  /** The memory layout of pixels, 8 bits per channel. The order is that of uffizi_pixel_format. */
  public enum Format {
    RGB,
    BGR,
    GRAY,
    RGBA,
    BGRA
  }

  Picture(long address) {
    super(address, Native::freeImage);
  }

  /**
   * Decodes a JPEG, PNG, WebP, GIF or TIFF file. The options are those of uffizi_image_decode in
   * uffizi.h; the name is used in messages.
   */
  public static Picture decode(byte[] file, String name, Map<String, String> options) {
    NativeLibrary.load();
    return new Picture(Native.decodeImage(file, Native.utf8(name), Native.options(options)));
  }

  public static Picture decode(byte[] file, String name) {
    return decode(file, name, Map.of());
  }

  /** Copies pixels whose rows are packed. */
  public static Picture fromPixels(byte[] pixels, int width, int height, Format format) {
    NativeLibrary.load();
    return new Picture(Native.imageFromPixels(pixels, width, height, format.ordinal()));
  }

  public int width() {
    try {
      return Native.imageWidth(address());
    } finally {
      Reference.reachabilityFence(this);
    }
  }

  public int height() {
    try {
      return Native.imageHeight(address());
    } finally {
      Reference.reachabilityFence(this);
    }
  }

  /** [height, width, 3], blue first, as in OpenCV and Spark's image source. */
  public byte[] bgr() {
    try {
      return Native.imageBgr(address());
    } finally {
      Reference.reachabilityFence(this);
    }
  }

  public byte[] png() {
    return encode("png", 0);
  }

  /** @param quality 1..100 */
  public byte[] jpeg(int quality) {
    return encode("jpeg", quality);
  }

  private byte[] encode(String format, int quality) {
    try {
      return Native.encodeImage(address(), Native.utf8(format), quality);
    } finally {
      Reference.reachabilityFence(this);
    }
  }
}
