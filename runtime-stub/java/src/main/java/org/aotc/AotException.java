// SPDX-License-Identifier: MIT
package org.aotc;

/** A failure: a status that a program can act on, and a text for people that names what it is about. */
public final class AotException extends RuntimeException {
    private static final long serialVersionUID = 1;

    /** The codes of aot.h, and three of this library's own. */
    public enum Status {
        /** A wrong index, name or missing argument. */
        ARGUMENT(1),
        /** An array or buffer of another element type than the port's. */
        DTYPE(2),
        /** A rank, a size out of its range, or a relation between sizes that does not hold. */
        SHAPE(3),
        /** Strides that are not those of the port. */
        LAYOUT(4),
        /** Wrong values (an index out of range, an assertion of the model), or a broken file. */
        DATA(5),
        /** A buffer that the caller lent is too small. */
        SPACE(6),
        /** The machine could not: memory, a file, a missing native library. */
        HOST(7),
        /** Compiled for a processor that this one is not. */
        CPU(8),
        /** Model and libaotrt have different major versions. */
        ABI(9),
        /** The file is not signed by the key that was asked for. */
        SIGNATURE(10),
        /** The object has been closed. */
        CLOSED(-1),
        /** Another thread is using the session or the state. */
        BUSY(-2),
        /** A code of a later version. */
        OTHER(-3);

        /** The number in aot.h; negative: of this library. */
        public final int code;

        Status(int code) {
            this.code = code;
        }

        static Status of(int code) {
            for (Status status : values())
                if (status.code == code)
                    return status;
            return OTHER;
        }
    }

    private final Status status;

    AotException(Status status, String text) {
        super(text);
        this.status = status;
    }

    public Status status() {
        return status;
    }
}
