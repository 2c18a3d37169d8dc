package uffizi;

/** A picture as the model sees it; any number of questions can be asked about it. */
public final class EncodedPicture extends NativeHandle {
  EncodedPicture(long address) {
    super(address, Native::freeEncoded);
  }
}
