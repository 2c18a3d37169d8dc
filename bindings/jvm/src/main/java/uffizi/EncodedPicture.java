package uffizi;

/** An encoded picture, about which any number of questions can be asked. */
public final class EncodedPicture extends NativeHandle {
  EncodedPicture(long address) {
    super(address, Native::freeEncoded);
  }
}
