package uffizi;

/** The native results of one run, kept alive by their answers. */
final class Results extends NativeHandle {
  Results(long address) {
    super(address, Native::freeResults);
  }
}
