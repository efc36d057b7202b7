// SPDX-License-Identifier: MIT
package org.aotc;

import org.aotc.AotException.Status;

/** Native threads that sessions may share. A session that finds the pool busy works alone instead of
 *  waiting. There are never more threads than the process's affinity and its cgroup's quota allow. */
public final class Pool implements AutoCloseable {
    private final long pool;
    private final int threads;
    private int users = 1; // the owner, and the sessions
    private boolean closed;

    public Pool(int threads) {
        if (threads < 1)
            throw new AotException(Status.ARGUMENT, "a pool of " + threads + " threads; expected 1 at least");
        Aotrt.need();
        pool = Aotrt.aot_pool_new(threads);
        if (pool == 0)
            throw new AotException(Status.HOST, "no memory for a pool of threads");
        this.threads = (int) Aotrt.aot_pool_threads(pool);
    }

    /** How many there are, the caller of run among them. */
    public int threads() {
        return threads;
    }

    synchronized long hold() {
        if (closed)
            throw new AotException(Status.CLOSED, "the pool is closed");
        users++;
        return pool;
    }

    synchronized void drop() {
        if (--users == 0)
            Aotrt.aot_pool_free(pool);
    }

    /** Ends the threads when the last session that uses them is closed. */
    @Override
    public synchronized void close() {
        if (closed)
            throw new AotException(Status.CLOSED, "the pool is closed already");
        closed = true;
        drop();
    }
}
