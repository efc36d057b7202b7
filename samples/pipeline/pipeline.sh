#!/bin/sh
# SPDX-License-Identifier: MIT
# From an exported model to a tested one in the JVM: check, compile, verify, store, test.
#
#     sh samples/pipeline/pipeline.sh BUILD OUT [maven|junit]
#
# BUILD: the folder aotc was built in. OUT: a folder for what is made. The JVM's test is run by Maven, offline, or by
# JUnit alone, as Debian has it (junit5, libjna-java). The first step, `python samples/pipeline/export.py
# samples/pipeline/model`, needs PyTorch; what it wrote is in the repository.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "$1" && pwd)
mkdir -p "$2" && out=$(cd "$2" && pwd)
with=${3:-maven}
aotc=$build/bin/aotc
archive=$here/model/prices.pt2
recorded=$here/model/recorded
step() { printf '\n$ %s\n' "$*"; "$@"; }

step "$aotc" check "$archive"
step "$aotc" "$archive" --meta "$here/model/metadata.json" -o "$out/prices.so"
step "$aotc" verify "$out/prices.so" --against "$recorded"

# A service would have its key and its store elsewhere, and keep both.
rm -rf "$out/models" "$out/release" "$out/release.pub" "$out/stored.so"
step "$aotc" keygen "$out/release"
step "$aotc" store add "$out/models" "$out/prices.so" --key "$out/release"
step "$aotc" store verify "$out/models" --require-signature "$out/release.pub"
step "$aotc" store get "$out/models" prices -o "$out/stored.so" --require-signature "$out/release.pub"

case $with in
maven)
    step mvn -o -B -f "$here/java/pom.xml" -Dfolder="$out/maven" -Daotc.jar="$build/lib/aotc.jar" \
        -Dmodel="$out/stored.so" -Dkey="$out/release.pub" -Drecorded="$recorded" test
    ;;
junit)
    jars=/usr/share/java
    path=$build/lib/aotc.jar:$jars/jna.jar
    for name in junit-jupiter-api junit-jupiter-engine junit-platform-commons junit-platform-console junit-platform-engine \
        junit-platform-launcher junit-platform-reporting opentest4j opentest4j-reporting-events opentest4j-reporting-schema \
        apiguardian-api picocli univocity-parsers; do
        path=$path:$jars/$name.jar
    done
    step javac -cp "$path" -d "$out/classes" "$here/java/src/test/java/PricesTest.java"
    step java -Dmodel="$out/stored.so" -Dkey="$out/release.pub" -Drecorded="$recorded" -cp "$path:$out/classes" \
        org.junit.platform.console.ConsoleLauncher --disable-banner --details=summary --fail-if-no-tests --select-class=PricesTest
    ;;
*)
    echo "$with: neither maven nor junit" >&2
    exit 2
    ;;
esac
echo "the model is tested"
