package uffizi;

import java.lang.ref.Cleaner;
import java.util.function.LongConsumer;

/**
 * An object of the native library. It is freed by {@link #close}, or when it is no longer reachable.
 * Do not close it while another thread is using it.
 */
public abstract class NativeHandle implements AutoCloseable {
  private static final Cleaner CLEANER = Cleaner.create();

  /** Refers to the handle but not to its owner, which would otherwise stay reachable forever. */
  private static final class Memory implements Runnable {
    private long address;
    private final LongConsumer free;

    Memory(long address, LongConsumer free) {
      this.address = address;
      this.free = free;
    }

    @Override
    public synchronized void run() {
      if (address != 0) free.accept(address);
      address = 0;
    }

    synchronized long address() {
      if (address == 0) throw new IllegalStateException("used after it was closed");
      return address;
    }
  }

  private final Memory memory;
  private final Cleaner.Cleanable cleanable;

  NativeHandle(long address, LongConsumer free) {
    memory = new Memory(address, free);
    cleanable = CLEANER.register(this, memory);
  }

  /** Callers keep this object reachable until the native call is over (reachabilityFence). */
  final long address() {
    return memory.address();
  }

  @Override
  public final void close() {
    cleanable.clean();
  }
}
