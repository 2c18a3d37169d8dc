package uffizi;

/** The native results of one run; their answers keep it. */
final class Results extends NativeHandle {
  Results(long address) {
    super(address, Native::freeResults);
  }
}
