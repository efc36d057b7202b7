// SPDX-License-Identifier: MIT
package org.aotc;

import com.sun.jna.Pointer;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;

/** What a method says of one of its inputs or outputs. Immutable; outlives its model. */
public final class Port {
    /** One dimension: the sizes it may have, both ends included.
     *
     *  @param lo     the least size
     *  @param hi     the greatest; Long.MAX_VALUE: no bound
     *  @param symbol what the exporter called it ("s27", "2*s27 - 2"); null: fixed, and lo == hi
     *  @param unknown the data decide it: an output's size that is known after the run only */
    public record Dim(long lo, long hi, String symbol, boolean unknown) {
        @Override
        public String toString() {
            if (symbol == null)
                return Long.toString(lo);
            return symbol + " in " + lo + ".." + (hi == Long.MAX_VALUE ? "" : Long.toString(hi));
        }

        boolean isFixed() {
            return lo == hi && !unknown;
        }

        boolean admits(long size) {
            return lo <= size && size <= hi;
        }
    }

    private static final int MUTATED = 1, SCALAR = 2, NONE = 4;

    private final boolean input;
    private final int index;
    private final String name;
    private final DType type;
    private final List<Dim> dims;
    private final long[] strides;
    private final boolean constant;
    private final long flags;

    Port(boolean input, int index, Pointer at) {
        this.input = input;
        this.index = index;
        name = at.getPointer(8).getString(0, "UTF-8");
        flags = at.getLong(48);
        constant = at.getLong(40) != 0;
        type = isNone() ? DType.FLOAT32 : DType.of((at.getByte(16) & 255) << 8 | at.getByte(17) & 255);
        int rank = at.getInt(20);
        List<Dim> found = new ArrayList<>(rank);
        for (int i = 0; i < rank; i++) {
            Pointer dim = at.getPointer(24).share(32L * i);
            Pointer symbol = dim.getPointer(16);
            found.add(new Dim(dim.getLong(0), dim.getLong(8), symbol == null ? null : symbol.getString(0, "UTF-8"),
                              dim.getLong(24) != 0));
        }
        dims = List.copyOf(found);
        Pointer fixed = at.getPointer(32);
        strides = fixed == null || rank == 0 ? null : fixed.getLongArray(0, rank);
    }

    public boolean isInput() { return input; }
    /** Its place in the order of the signature. */
    public int index() { return index; }
    public String name() { return name; }
    public DType type() { return type; }
    public int rank() { return dims.size(); }
    public List<Dim> dims() { return dims; }
    /** In elements, where the exporter recorded others than row-major ones; else null. */
    public long[] strides() { return strides == null ? null : strides.clone(); }
    /** The run writes this input, as the Python function did. */
    public boolean isMutated() { return (flags & MUTATED) != 0; }
    /** A Python number; here a tensor of no dimensions. */
    public boolean isScalar() { return (flags & SCALAR) != 0; }
    /** Python's None: there is nothing to set or to read. */
    public boolean isNone() { return (flags & NONE) != 0; }
    /** A number that the export fixed: there is nothing to set. */
    public boolean isConstant() { return constant; }

    /** Bytes from the first element to behind the last; -1 if that is more than a buffer can hold. */
    long extent(long[] shape) {
        long last = 0, count = 1;
        for (int i = 0; i < shape.length; i++) {
            long size = shape[i];
            if (size == 0)
                return 0;
            if (size > Integer.MAX_VALUE || (count *= size) > Integer.MAX_VALUE)
                return -1;
            if (strides != null) {
                if (size > 1 && strides[i] > Integer.MAX_VALUE)
                    return -1;
                last += (size - 1) * strides[i];
                if (last < 0 || last > Integer.MAX_VALUE)
                    return -1;
            }
        }
        long bytes = (strides == null ? count : last + 1) * type.bytes;
        return bytes > Integer.MAX_VALUE - 128 ? -1 : bytes;
    }

    /** The sizes, or null if some vary. */
    long[] fixedShape() {
        return dims.stream().allMatch(Dim::isFixed) ? dims.stream().mapToLong(Dim::lo).toArray() : null;
    }

    long[] stridesHere() {
        return strides;
    }

    /** "input 0 (x)", for messages. */
    String who() {
        return (input ? "input " : "output ") + index + " (" + name + ")";
    }

    String form() {
        return isNone() ? "None" : type + dims.stream().map(Dim::toString).collect(Collectors.joining(", ", "[", "]"));
    }

    /** "x float32[s27 in 1..64, 4]" */
    @Override
    public String toString() {
        return name + " " + form();
    }
}
