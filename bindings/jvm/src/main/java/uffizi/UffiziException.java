package uffizi;

import java.nio.charset.StandardCharsets;

/** An error of the native library, with its message. */
public class UffiziException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  private final String code;

  /** @param code one of the library's stable names: "invalid_image", "not_found", ... */
  public UffiziException(String code, String message) {
    super(message);
    this.code = code;
  }

  /** For native code, whose text is UTF-8. */
  UffiziException(byte[] code, byte[] message) {
    this(new String(code, StandardCharsets.UTF_8), new String(message, StandardCharsets.UTF_8));
  }

  public String code() {
    return code;
  }
}
