// SPDX-License-Identifier: MIT
package org.aotc;

import java.lang.reflect.Array;
import java.nio.Buffer;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.DoubleBuffer;
import java.nio.FloatBuffer;
import java.nio.IntBuffer;
import java.nio.LongBuffer;
import java.nio.ShortBuffer;
import java.util.Arrays;
import org.aotc.AotException.Status;

/** The place of an input or output in a session: its sizes and elements.
 *
 *  Elements lie in a direct buffer: the tensor's own, or one that the caller lends ({@link #bind}).
 *  {@code set} copies an array in, {@code get} copies one out, {@link #floats} and its like are views of the
 *  memory itself. Arrays are row-major; complex numbers are pairs; 16-bit floats are {@code float[]}, or
 *  {@code short[]} for their bits. Nothing makes garbage once buffers have their size, but for what has
 *  "to" in its name and for lists of sizes.
 *
 *  Sizes that vary are given with the elements, {@code set(pixels, 1, 3, 224, 224)}, or before, by
 *  {@link #resize}. {@code set(pixels)} keeps those that are set, or finds the one that varies. */
public final class Tensor {
    private static final int MOST_BYTES = Integer.MAX_VALUE - 128;

    private final Session session;
    private final Port port;
    private final ByteBuffer header, sizes; // the DLTensor and its sizes, in native memory
    private final boolean hasData;
    private final long[] shape;             // -1: not known yet
    private final int[] index;              // for walks over strides
    private long count, extent;             // elements, and the bytes they take; -1: not known yet
    private ByteBuffer bytes;               // where they are; null: in a typed buffer of the caller's
    private Buffer view, shown;             // the same, typed; shown is for the caller to play with
    private long address, room;             // the same, for native code
    private Block block;                    // the tensor's own memory, if that is what it has
    private Buffer lent;                    // the caller's buffer, null: the memory is the tensor's own
    private int lentFrom, lentTo;           // its position and limit at that time
    private Block rows;                     // row-major copy, where the port's strides are others
    private Buffer rowsView;

    Tensor(Session session, Port port, long at) {
        this.session = session;
        this.port = port;
        header = Aotrt.view(at, 48);
        sizes = Aotrt.view(header.getLong(24), 8L * port.rank());
        hasData = !port.isNone() && !(port.isInput() && port.isConstant());
        shape = new long[port.rank()];
        index = new int[port.rank()];
        Arrays.fill(shape, -1);
        long[] fixed = port.fixedShape();
        if (fixed != null)
            System.arraycopy(fixed, 0, shape, 0, shape.length);
        measure();
        if (!hasData)
            return;
        if (fixed != null && extent < 0)
            throw new AotException(Status.SPACE, port + ": more than a buffer of Java can hold");
        own(extent);
        if (port.isInput())
            header.putLong(0, 0); // never set, until it is
    }

    public Port port() { return port; }
    public DType type() { return port.type(); }
    public int rank() { return shape.length; }
    /** A copy. -1: not known before it is set, or before the first run. */
    public long[] shape() { return shape.clone(); }

    /** The size of one dimension; -1: not known yet. */
    public long size(int dim) {
        if (dim < 0 || dim >= shape.length)
            throw misuse("has no dimension " + dim);
        return shape[dim];
    }

    /** How many elements; -1: some size is not known yet. */
    public long count() { return count; }

    // ---- Sizes

    private void measure() {
        count = 1;
        for (long size : shape)
            count = size < 0 || count < 0 ? -1 : count * size;
        extent = count < 0 ? -1 : port.extent(shape);
    }

    private AotException wrong(Status status, String given) {
        return new AotException(status, port.who() + ": expected " + port.form() + "; given: " + given);
    }

    private AotException misuse(String what) {
        return new AotException(Status.ARGUMENT, port.who() + ": " + what);
    }

    private void checkData() {
        if (!hasData)
            throw misuse("is " + (port.isNone() ? "None" : "a fixed number") + ", and has no elements to set or get");
    }

    private void checkElements() {
        if (count < 0)
            throw misuse(port.isInput() ? "has no sizes yet; resize it" : "has no elements before the first run");
        if (extent > room)
            throw misuse("has no elements, because what set them failed");
    }

    private void checkSizes(long[] wanted) {
        if (!port.isInput())
            throw misuse("the run decides the sizes of an output");
        checkData();
        if (wanted == null)
            throw misuse("the sizes are null");
        boolean good = wanted.length == shape.length;
        for (int i = 0; good && i < wanted.length; i++)
            good = wanted[i] >= 0 && port.dims().get(i).admits(wanted[i]);
        if (!good)
            throw wrong(Status.SHAPE, Arrays.toString(wanted));
        if (port.extent(wanted) < 0)
            throw new AotException(Status.SPACE, port.who() + ": " + Arrays.toString(wanted)
                + " is more than a buffer of Java can hold");
    }

    /** Takes sizes that were checked. */
    private void adopt(long[] wanted) {
        for (int i = 0; i < shape.length; i++)
            sizes.putLong(8 * i, shape[i] = wanted[i]);
        measure();
    }

    /** Sets an input's sizes and makes room for its elements, which are undefined until they are written.
     *
     *  @throws AotException (SHAPE) a rank or size that the model does not take */
    public void resize(long... wanted) {
        session.enter();
        try {
            checkSizes(wanted);
            adopt(wanted);
            makeRoom();
        } finally {
            session.leave();
        }
    }

    /** The sizes for an array without any: those that are set, or all but the one that varies. */
    private void findSizes(int length, Class<?> element) {
        long given = length / port.type().parts();
        int free = -1;
        long rest = 1;
        if (given == count && length % port.type().parts() == 0)
            return;
        for (int i = 0; i < shape.length; i++)
            if (port.dims().get(i).isFixed())
                rest *= port.dims().get(i).lo();
            else if (free < 0)
                free = i;
            else
                throw wrong(Status.SHAPE, given + " elements without their sizes");
        if (free < 0 || rest <= 0 || given % rest != 0 || length % port.type().parts() != 0
            || !port.dims().get(free).admits(given / rest))
            throw wrong(Status.SHAPE, length + " elements of " + element);
        for (int i = 0; i < shape.length; i++)
            sizes.putLong(8 * i, shape[i] = i == free ? given / rest : port.dims().get(i).lo());
        measure();
    }

    // ---- Memory

    private void own(long size) {
        Block made = new Block(size), old = block;
        use(Aotrt.address(made.bytes), made.bytes.capacity(), made.bytes, Elements.typed(made.bytes, port.type()));
        lent = null;
        block = made;
        if (old != null)
            old.free();
    }

    /** The session is closed. */
    void free() {
        if (block != null)
            block.free();
        if (rows != null)
            rows.free();
        block = rows = null;
    }

    private void use(long at, long size, ByteBuffer asBytes, Buffer typed) {
        Buffer copy = typed.duplicate(); // all that may run out of memory comes first
        if (copy instanceof ByteBuffer b)
            b.order(ByteOrder.nativeOrder());
        address = at;
        room = size;
        bytes = asBytes;
        view = typed;
        shown = copy;
        if (port.isInput())
            header.putLong(0, at);
        else
            session.lend(port.index(), at, size);
    }

    /** Memory of the tensor's own for the sizes that are set. */
    private void makeRoom() {
        if (lent != null || room < extent)
            own(extent);
        header.putLong(0, address);
    }

    /** Before a run: sizes may have been set for which there was no memory. */
    void checkRoom() {
        if (hasData && extent > room)
            throw misuse("its " + extent + " bytes were never set");
    }

    /** After AOT_ESPACE: true if an output needed more room and got it. */
    boolean fit(long need) {
        if (!hasData || need == -1 || need >= 0 && need <= room) // -1: no bound is known, native memory grows
            return false;
        if (lent != null)
            throw tooLittle(need);
        if (need < 0 || need > MOST_BYTES)
            throw new AotException(Status.SPACE, port.who() + ": " + Long.toUnsignedString(need)
                + " bytes are more than a buffer of Java can hold");
        own(need);
        return true;
    }

    private AotException tooLittle(long need) {
        return new AotException(Status.SPACE, port.who() + ": needs " + need + " bytes; the buffer that was lent has "
            + room);
    }

    /** After a run: an output's sizes, and what has grown in native memory. */
    void take(boolean mayGrow) {
        boolean changed = false;
        for (int i = 0; i < shape.length; i++) {
            long size = sizes.getLong(8 * i);
            changed |= size != shape[i];
            shape[i] = size;
        }
        if (changed)
            measure();
        if (!mayGrow || !hasData || header.getLong(0) == address)
            return;
        if (extent < 0)
            throw new AotException(Status.SPACE, port.who() + ": " + Arrays.toString(shape)
                + " is more than a buffer of Java can hold");
        long grown = header.getLong(0);
        if (lent != null) {
            session.lend(port.index(), address, room);
            throw tooLittle(extent);
        }
        ByteBuffer found = Aotrt.view(grown, extent);
        own(Math.min(extent + extent / 2, MOST_BYTES));
        bytes.put(0, found, 0, (int) extent);
    }

    // ---- The caller's memory

    /** The run reads or writes this buffer, from its position to its limit; nothing is copied. The tensor keeps
     *  it until another is bound, {@code set}, {@link #resize} or {@link #unbind}. To bind what is bound already
     *  costs nothing.
     *
     *  @param buffer direct, of the port's type in native byte order, or bytes
     *  @throws AotException ARGUMENT, DTYPE, LAYOUT, or SHAPE: too small for the input's sizes */
    public void bind(Buffer buffer) {
        bindSized(buffer, null);
    }

    /** The same for an input, with its sizes. */
    public void bind(Buffer buffer, long... wanted) {
        if (wanted == null)
            throw misuse("the sizes are null");
        bindSized(buffer, wanted);
    }

    private void bindSized(Buffer buffer, long[] wanted) {
        session.enter();
        try {
            if (buffer == null)
                throw misuse("the buffer is null");
            checkData();
            if (wanted != null || port.isInput() && count < 0)
                checkSizes(wanted == null ? shape : wanted);
            boolean same = buffer == lent && buffer.position() == lentFrom && buffer.limit() == lentTo;
            Class<?> element = Elements.element(buffer);
            long size = (long) buffer.remaining() * Elements.unit(element);
            if (!same)
                checkBuffer(buffer, element);
            long need = wanted != null ? port.extent(wanted) : extent;
            if (port.isInput() && size < need)
                throw wrong(Status.SHAPE, "a buffer of " + size + " bytes for "
                    + Arrays.toString(wanted != null ? wanted : shape));
            if (wanted != null)
                adopt(wanted);
            if (!same)
                lendFrom(buffer, size);
        } finally {
            session.leave();
        }
    }

    private void checkBuffer(Buffer buffer, Class<?> element) {
        Class<?> wanted = port.type().element == boolean.class ? byte.class : port.type().element;
        if (element != wanted && element != byte.class)
            throw wrong(Status.DTYPE, "a buffer of " + element);
        if (!buffer.isDirect())
            throw misuse("the buffer is not direct; set copies from arrays");
        if (!Elements.isNative(buffer))
            throw new AotException(Status.LAYOUT, port.who() + ": the buffer is not in native byte order");
        if (buffer.isReadOnly() && (!port.isInput() || port.isMutated()))
            throw misuse("the run writes it; the buffer is read-only");
        if (element != byte.class && port.strides() != null)
            throw misuse("its strides are not row-major; bind takes bytes only");
    }

    private void lendFrom(Buffer buffer, long size) {
        Buffer rest = buffer.slice();
        ByteBuffer asBytes = rest instanceof ByteBuffer b ? b.order(ByteOrder.nativeOrder()) : null;
        use(Aotrt.address(rest), size, asBytes, asBytes == null ? rest : Elements.typed(asBytes, port.type()));
        if (block != null)
            block.free();
        block = null;
        lent = buffer;
        lentFrom = buffer.position();
        lentTo = buffer.limit();
    }

    /** The tensor has memory of its own again; an input's elements are undefined until they are written. */
    public void unbind() {
        session.enter();
        try {
            if (lent != null)
                own(extent);
        } finally {
            session.leave();
        }
    }

    // ---- Arrays in

    private void put(Object from, int length, Class<?> element, long[] wanted) {
        session.enter();
        try {
            if (!port.isInput())
                throw misuse("an output cannot be set");
            checkData();
            if (!Elements.accepts(port.type(), element))
                throw wrong(Status.DTYPE, element + "[" + length + "]");
            if (wanted == null)
                findSizes(length, element);
            else
                putSizes(length, element, wanted);
            makeRoom();
            if (port.stridesHere() == null) {
                Elements.put(view, port.type(), from);
                return;
            }
            denseRows();
            Elements.put(rowsView, port.type(), from);
            Elements.walk(rows.bytes, bytes, shape, port.stridesHere(), port.type().bytes, true, index);
        } finally {
            session.leave();
        }
    }

    private void putSizes(int length, Class<?> element, long[] wanted) {
        checkSizes(wanted);
        long elements = port.type().parts();
        for (long size : wanted)
            elements *= size; // the extent is one that a buffer can hold
        if (elements != length)
            throw wrong(Status.SHAPE, element + "[" + length + "] for " + Arrays.toString(wanted));
        adopt(wanted);
    }

    private void denseRows() {
        int need = (int) count * port.type().bytes;
        if (rows == null || rows.bytes.capacity() < need) {
            if (rows != null)
                rows.free();
            rows = null;
            rows = new Block(need);
            rowsView = Elements.typed(rows.bytes, port.type());
        }
    }

    private int length(Object array) {
        if (array == null)
            throw misuse("the array is null");
        return Array.getLength(array);
    }

    /** Copies the elements in. @throws AotException DTYPE, SHAPE: names the input, what it takes and what came */
    public void set(float[] values) { put(values, length(values), float.class, null); }
    public void set(double[] values) { put(values, length(values), double.class, null); }
    public void set(long[] values) { put(values, length(values), long.class, null); }
    public void set(int[] values) { put(values, length(values), int.class, null); }
    public void set(short[] values) { put(values, length(values), short.class, null); }
    public void set(byte[] values) { put(values, length(values), byte.class, null); }
    public void set(boolean[] values) { put(values, length(values), boolean.class, null); }

    /** The same, with the sizes. */
    public void set(float[] values, long... sizes) { put(values, length(values), float.class, given(sizes)); }
    public void set(double[] values, long... sizes) { put(values, length(values), double.class, given(sizes)); }
    public void set(long[] values, long... sizes) { put(values, length(values), long.class, given(sizes)); }
    public void set(int[] values, long... sizes) { put(values, length(values), int.class, given(sizes)); }
    public void set(short[] values, long... sizes) { put(values, length(values), short.class, given(sizes)); }
    public void set(byte[] values, long... sizes) { put(values, length(values), byte.class, given(sizes)); }
    public void set(boolean[] values, long... sizes) { put(values, length(values), boolean.class, given(sizes)); }

    private long[] given(long[] wanted) {
        if (wanted == null)
            throw misuse("the sizes are null");
        return wanted;
    }

    /** An array of any of these types, for callers that have it as an object; sizes null: as without. */
    void setObject(Object array, long[] wanted) {
        int length = length(array);
        put(array, length, array.getClass().getComponentType(), wanted);
    }

    // ---- Arrays out

    private void get(Object to, int at, int length, Class<?> element) {
        session.enter();
        try {
            checkData();
            if (!Elements.accepts(port.type(), element))
                throw wrong(Status.DTYPE, element + "[" + length + "] to get it");
            checkElements();
            if (at < 0 || length > count * port.type().parts() - at)
                throw wrong(Status.SHAPE, element + "[" + length + "] to get " + count + " elements");
            Buffer from = view;
            if (port.stridesHere() != null) {
                denseRows();
                Elements.walk(rows.bytes, bytes, shape, port.stridesHere(), port.type().bytes, false, index);
                from = rowsView;
            }
            Elements.get(from, at, port.type(), to);
        } finally {
            session.leave();
        }
    }

    private void getAll(Object to, Class<?> element) {
        int length = length(to);
        if (count >= 0 && length != count * port.type().parts())
            throw wrong(Status.SHAPE, element + "[" + length + "] to get " + count + " elements");
        get(to, 0, length, element);
    }

    /** Copies all elements out. @throws AotException DTYPE; SHAPE: the array has another length */
    public void get(float[] to) { getAll(to, float.class); }
    public void get(double[] to) { getAll(to, double.class); }
    public void get(long[] to) { getAll(to, long.class); }
    public void get(int[] to) { getAll(to, int.class); }
    public void get(short[] to) { getAll(to, short.class); }
    public void get(byte[] to) { getAll(to, byte.class); }
    public void get(boolean[] to) { getAll(to, boolean.class); }

    void getObject(Object array) {
        getAll(array, array.getClass().getComponentType());
    }

    /** All elements in a new array. */
    public float[] toFloats() { return (float[]) flat(float.class); }
    public double[] toDoubles() { return (double[]) flat(double.class); }
    public long[] toLongs() { return (long[]) flat(long.class); }
    public int[] toInts() { return (int[]) flat(int.class); }
    public short[] toShorts() { return (short[]) flat(short.class); }
    public byte[] toBytes() { return (byte[]) flat(byte.class); }
    public boolean[] toBooleans() { return (boolean[]) flat(boolean.class); }

    private Object flat(Class<?> element) {
        Object made = Array.newInstance(element, (int) Math.max(0, count * port.type().parts()));
        get(made, 0, Array.getLength(made), element);
        return made;
    }

    /** Nested arrays, {@code float[][]} for two dimensions; without dimensions an array of one element. Complex
     *  numbers have a last dimension of 2, 16-bit floats are floats. */
    public Object toArray() {
        Class<?> element = port.type().isHalf() ? float.class : port.type().element;
        Object all = flat(element);
        int parts = port.type().parts(), rank = shape.length + (parts == 2 ? 1 : 0);
        if (rank < 2)
            return all;
        int[] dims = new int[rank];
        for (int i = 0; i < rank; i++)
            dims[i] = i < shape.length ? (int) shape[i] : parts;
        Object made = Array.newInstance(element, dims);
        nest(made, dims, 0, all, 0);
        return made;
    }

    private static int nest(Object to, int[] dims, int dim, Object all, int at) {
        if (dim == dims.length - 1) {
            System.arraycopy(all, at, to, 0, dims[dim]);
            return at + dims[dim];
        }
        for (int i = 0; i < dims[dim]; i++)
            at = nest(Array.get(to, i), dims, dim + 1, all, at);
        return at;
    }

    // ---- Views

    /** The memory itself, the port's strides and all; bool and 8-bit types are bytes. The same object comes back
     *  as long as the memory is the same; position and limit are set anew. It stays valid after close. */
    public FloatBuffer floats() { return (FloatBuffer) show(float.class); }
    public DoubleBuffer doubles() { return (DoubleBuffer) show(double.class); }
    public LongBuffer longs() { return (LongBuffer) show(long.class); }
    public IntBuffer ints() { return (IntBuffer) show(int.class); }
    public ShortBuffer shorts() { return (ShortBuffer) show(short.class); }
    public ByteBuffer bytes() { return (ByteBuffer) show(byte.class); }

    private Buffer show(Class<?> element) {
        session.enter();
        try {
            checkData();
            if (Elements.element(view) != element)
                throw wrong(Status.DTYPE, "a view of " + element);
            checkElements();
            if (port.isInput())
                header.putLong(0, address); // whoever sees it may fill it
            if (block != null)
                block.isShown = true;
            return shown.clear().limit((int) (extent / Elements.unit(element)));
        } finally {
            session.leave();
        }
    }

    /** "input 0 (x): float32[1, 784]" */
    @Override
    public String toString() {
        return port.who() + ": " + port.type() + Arrays.toString(shape);
    }
}
