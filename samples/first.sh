#!/bin/sh
# SPDX-License-Identifier: MIT
# A first look: compiles a model archive of this repository, shows what came out, runs it on two inputs.
# Called by the first command of README.md from the project's folder, after the build.
set -eu
aotc=build/release/bin/aotc
model=tests/fixtures/seeds/conv_classifier_b
out=build/first
rm -rf "$out" && mkdir -p "$out/expect0" "$out/expect1"
cp "$model/case0_out_0.npy" "$out/expect0/000.npy"
cp "$model/case1_out_0.npy" "$out/expect1/000.npy"
show() { printf '\n$ %s\n' "$*"; "$@"; }

show "$aotc" "$model/model.pt2" -o "$out/classifier.so" -v
show "$aotc" inspect "$out/classifier.so"
show "$aotc" run "$out/classifier.so" --inputs "$model/case0_in_0.npy" --expect "$out/expect0"
show "$aotc" run "$out/classifier.so" --inputs "$model/case1_in_0.npy" --expect "$out/expect1"
cat <<'END'

Next:
  torch.export.save(torch.export.export(model.eval(), example), "model.pt2")   # in Python
  build/release/bin/aotc model.pt2 -o model.so
  build/release/bin/aotc bench model.so             # how fast; then samples/c, samples/python, samples/java
  build/release/bin/aotc model.pt2 --emit=c         # the C that a person can read
END
