#!/bin/sh
# SPDX-License-Identifier: MIT
# Scores a data set on Apache Spark, from Python and from Java, and compares with PyTorch's results.
#
#     PYTHON=venv/bin/python sh samples/spark/run.sh BUILD OUT [MASTER]
#
# BUILD: the folder aotc was built in. OUT: a folder for what is made. MASTER: local[2] by default; local-cluster[2,1,1024]
# has executors that are processes of their own. $PYTHON has pyspark, pandas and pyarrow; without them the status is 77.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "$1" && pwd)
mkdir -p "$2" && out=$(cd "$2" && pwd)
master=${3:-local[2]}
python=${PYTHON:-python3}
jna=${JNA:-/usr/share/java/jna.jar}
if ! "$python" -c 'import pyspark, pandas, pyarrow' 2>/dev/null; then
    echo "left out: $python has no pyspark, pandas and pyarrow (python3 -m venv venv; venv/bin/pip install pyspark pandas pyarrow)"
    exit 77
fi
SPARK_HOME=$("$python" -c 'import pyspark; print(pyspark.__path__[0])')
export SPARK_HOME PYSPARK_PYTHON="$python" SPARK_LOCAL_IP="${SPARK_LOCAL_IP:-127.0.0.1}"
# gzip: Spark's snappy takes a machine with musl-tools for one whose C library is musl, and does not load.
submit() {
    "$SPARK_HOME/bin/spark-submit" --master "$master" --name cars --conf spark.ui.enabled=false \
        --conf spark.sql.parquet.compression.codec=gzip "$@"
}

# The model, as a file for Python and as a jar for Java.
archive=$here/../pipeline/model/prices.pt2
"$build/bin/aotc" "$archive" -o "$out/prices.so"
"$build/bin/aotc" "$archive" -o "$out/prices.jar" --java-class=com.acme.Prices

# The package aotc as one file, and the job in Java.
rm -rf "$out/aotc.zip" "$out/classes"
"$python" -c 'import shutil, sys; shutil.make_archive(sys.argv[1], "zip", sys.argv[2], "aotc")' "$out/aotc" \
    "$here/../../runtime-stub/python"
javac -proc:none -cp "$SPARK_HOME/jars/*:$build/lib/aotc.jar:$out/prices.jar" -d "$out/classes" "$here/ScoreCars.java"
jar --create --file "$out/scorecars.jar" -C "$out/classes" .

"$python" "$here/cars.py" make "$out"
submit --files "$out/prices.so" --py-files "$out/aotc.zip,$here/scoring.py" "$here/score.py" "$out/cars.parquet" \
    "$out/python"
submit --class ScoreCars --jars "$out/prices.jar,$build/lib/aotc.jar,$jna" "$out/scorecars.jar" "$out/cars.csv" "$out/java"
"$python" "$here/cars.py" check "$out"
