// SPDX-License-Identifier: MIT
import com.acme.Prices;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.api.java.function.MapPartitionsFunction;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.StructType;

/** Scores cars with the class that aotc wrote:
 *  spark-submit --class ScoreCars --jars prices.jar,aotc.jar,jna.jar scorecars.jar IN OUT
 *
 *  IN is a folder of CSV with a header; OUT gets Parquet, each car's id and price. */
public final class ScoreCars {
    private static final int BATCH = 1024, NUMBERS = 6;
    private static final StructType CARS = StructType.fromDDL("id LONG, age FLOAT, kilometres FLOAT, power FLOAT, "
        + "doors FLOAT, owners FLOAT, consumption FLOAT, brand LONG");
    private static final StructType SCORED = StructType.fromDDL("id LONG, price FLOAT");
    private static final AtomicInteger OPENED = new AtomicInteger();

    /** Opened by the first task of an executor; all of its threads call one object. */
    private static final class Holder {
        static final Prices MODEL = new Prices();

        static {
            OPENED.incrementAndGet();
        }
    }

    private ScoreCars() {}

    /** Rows in, scored rows out, a batch at a time. */
    private static final class Scored implements Iterator<Row> {
        private final Iterator<Row> cars;
        private Iterator<Row> ready = List.<Row>of().iterator();

        Scored(Iterator<Row> cars) {
            this.cars = cars;
        }

        @Override
        public boolean hasNext() {
            return ready.hasNext() || cars.hasNext();
        }

        @Override
        public Row next() {
            if (!ready.hasNext())
                ready = batch().iterator();
            return ready.next();
        }

        private List<Row> batch() {
            List<Row> batch = new ArrayList<>(BATCH);
            while (cars.hasNext() && batch.size() < BATCH)
                batch.add(cars.next());
            int n = batch.size();
            float[] numbers = new float[n * NUMBERS];
            long[] brands = new long[n];
            for (int i = 0; i < n; i++) {
                for (int k = 0; k < NUMBERS; k++)
                    numbers[i * NUMBERS + k] = batch.get(i).getFloat(1 + k);
                brands[i] = batch.get(i).getLong(1 + NUMBERS);
            }
            float[] prices = Holder.MODEL.forward(numbers, brands, n);
            for (int i = 0; i < n; i++)
                batch.set(i, RowFactory.create(batch.get(i).getLong(0), prices[i]));
            return batch;
        }
    }

    public static void main(String[] arguments) {
        SparkSession spark = SparkSession.builder().getOrCreate();
        spark.sparkContext().setLogLevel("WARN");
        Dataset<Row> cars = spark.read().schema(CARS).option("header", true).csv(arguments[0]);
        cars.mapPartitions((MapPartitionsFunction<Row, Row>) Scored::new, Encoders.row(SCORED))
            .write().mode("overwrite").parquet(arguments[1]);

        Map<Long, Integer> opened = new TreeMap<>();
        new JavaSparkContext(spark.sparkContext()).parallelize(IntStream.range(0, 16).boxed().toList(), 16)
            .map(i -> new long[] {ProcessHandle.current().pid(), OPENED.get()}).collect()
            .forEach(found -> opened.put(found[0], (int) found[1]));
        System.out.println("mapPartitions: " + opened + " = process: times that it opened the model");
        spark.stop();
        if (opened.values().stream().anyMatch(n -> n > 1))
            throw new IllegalStateException("a process opened the model more than once");
    }
}
