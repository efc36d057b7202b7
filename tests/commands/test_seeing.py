#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tests of what shows a model: the pages of aotc inspect and aotc profile, the layers of aotc diff.

    test_seeing.py --aotc BIN --fixtures DIR [-k WORD]

Standard library only. A page must be well-formed and need nothing but itself.
"""
import argparse
import json
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest
import zipfile
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

ARGS = None


class Page(HTMLParser):
    """A page as browsers see it: tags balance, nothing is fetched or run, its text."""

    EMPTY = {"meta"}
    FETCHING = {"src", "href", "xlink:href", "action", "data", "poster", "background"}

    def __init__(self, path):
        super().__init__(convert_charrefs=True)
        self.open, self.words, self.seen = [], [], []
        self.content = path.read_text(encoding="utf-8")
        ElementTree.fromstring(self.content)  # well-formed as XML, too
        self.feed(self.content)
        self.close()
        assert not self.open, f"not closed: {self.open}"
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attrs):
        assert tag not in ("script", "link", "img", "iframe", "object", "embed", "foreignobject"), tag
        for key, value in attrs:
            assert key not in self.FETCHING and not key.startswith("on"), f"{tag} has {key}={value}"
        self.seen.append((tag, dict(attrs)))
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in self.EMPTY:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, f"</{tag}> in {self.open}"
        self.open.pop()

    def handle_data(self, data):
        if "style" not in self.open:
            self.words.append(data)

    def count(self, tag):
        return sum(t == tag for t, _ in self.seen)


class Seeing(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = Path(temporary.name)

    def aotc(self, *words, status=0, says=(), path=None):
        environment = {k: v for k, v in os.environ.items() if k != "CC"}
        environment["PATH"] = path or environment["PATH"]
        done = subprocess.run([ARGS.aotc, *map(str, words)], cwd=self.folder, capture_output=True, text=True,
                              env=environment, timeout=300)
        self.assertEqual(done.returncode, status, f"{words}: {done.stdout[-2000:]}{done.stderr}")
        for part in [says] if isinstance(says, str) else says:
            self.assertIn(part, done.stderr)
        return done.stdout

    def archive(self, name):
        return ARGS.fixtures / name / "model.pt2"

    def compiled(self, name, *flags, to="m.so"):
        self.aotc(self.archive(name), "-o", to, "--backend=tcc", "--cpu=v3", *flags)
        return to


class Profile(Seeing):
    def profile(self, *words):
        return self.aotc("profile", self.archive("seeds/conv_classifier_b"), "--backend=tcc", "--seconds=0", *words)

    def test_json(self):
        facts = json.loads(self.profile("--json"))
        kernels = {k["about"].split(" f32")[0] + " " + k["name"]: k for k in facts["kernels"]}
        product = kernels["matmul classifier.1"]
        self.assertEqual(product["flops"], 2 * 1024 * 32)
        weights = 4 * 1024 * 32
        self.assertTrue(weights < product["bytes"] < weights + 8192, product)
        convolution = kernels["conv features.4"]
        self.assertEqual(convolution["flops"], 2 * 16 * 16 * 16 * 9 * 8)
        self.assertEqual(convolution["done"], convolution["flops"])
        self.assertGreater(facts["peak"]["gflops"], 0)
        reads = [r["gbytes"] for r in facts["peak"]["reads"]]
        self.assertEqual(reads, sorted(reads, reverse=True))
        self.assertTrue(all(k["roof_percent"] > 0 for k in facts["kernels"] if k["bytes"]))
        self.assertAlmostEqual(sum(k["percent"] for k in facts["kernels"]), 100, delta=1)

    def test_given_peak(self):
        """Figures that are given are not measured."""
        facts = json.loads(self.profile("--json", "--peak=0.001", "--bandwidth", "1000000"))
        self.assertEqual(facts["peak"]["gflops"], 0.001)
        self.assertEqual({r["gbytes"] for r in facts["peak"]["reads"]}, {1000000})
        bound = {k["bound"] for k in facts["kernels"] if k["flops"]}
        self.assertEqual(bound, {"compute"})
        for flag in ("--peak=0", "--bandwidth=-1", "--peak=x", "--bandwidth=inf"):
            self.aotc("profile", self.archive("seeds/add"), flag, status=2, says=flag.split("=")[0])

    def test_text(self):
        said = self.profile("--peak=100", "--bandwidth=10", "--top=3")
        self.assertIn("at most 100 GFLOP/s", said)
        self.assertRegex(said, r" \d+ % [cm]  k\d+ ")
        self.assertRegex(said, r"and \d+ more")

    def test_page(self):
        self.profile("--html", "p.html")
        page = Page(self.folder / "p.html")
        for part in ("Roofline", "GFLOP/s", "features.4", "the median of", "make_models.py"):
            self.assertIn(part, page.text)
        self.assertEqual(page.count("svg"), 1)
        self.assertGreaterEqual(page.count("circle"), 3)
        self.aotc("profile", self.compiled("seeds/add"), "--seconds=0", "--html", "q.html")  # without multiply-adds
        self.assertEqual(Page(self.folder / "q.html").count("circle"), 0)


class Diff(Seeing):
    MODEL = "seeds/conv_classifier_b"
    LAYERS = ["conv2d", "batch_norm", "relu_", "max_pool2d", "conv2d_1", "batch_norm_1", "relu__1", "max_pool2d_1", "flatten",
              "linear", "relu__2", "linear_1", "output"]

    def diff(self, *words, status=0, says=()):
        """The layers as a list, and the whole."""
        found = json.loads(self.aotc("diff", *words, "--json", status=status, says=says))
        self.assertEqual(found["compared"], len(found["layers"]))
        return found

    def changed(self, size):
        """The archive with another first number in the one weight of so many bytes."""
        made = self.folder / "changed.pt2"
        with zipfile.ZipFile(self.archive(self.MODEL)) as old, zipfile.ZipFile(made, "w") as new:
            hit, = [m.filename for m in old.infolist() if m.file_size == size]
            for name in old.namelist():
                content = old.read(name)
                new.writestr(name, struct.pack("<f", 7) + content[4:] if name == hit else content)
        return made

    def test_backends(self):
        for backend in ("gcc", "tcc"):
            self.aotc(self.archive(self.MODEL), "-o", f"{backend}.so", f"--backend={backend}", "--cpu=v3",
                      "--keep-intermediates=*")
        found = self.diff("gcc.so", "tcc.so", "--dim", "s77=3")
        self.assertEqual([layer["name"] for layer in found["layers"]], self.LAYERS)
        self.assertEqual((found["apart"], found["only_first"], found["only_second"]), (0, 0, 0))
        self.assertEqual(found["layers"][4]["module"], "features.4")
        self.assertEqual(found["layers"][4]["type"], "float32[3, 16, 16, 16]")
        self.assertIn("13 layers compared, 0 out", self.aotc("diff", "gcc.so", "tcc.so"))

    def test_changed_weight(self):
        made = self.changed(16 * 8 * 9 * 4)  # features.4
        says = ("changed.pt2: conv2d_1 is the first layer that differs", "(module features.4)", "make_models.py:")
        found = self.diff(self.archive(self.MODEL), made, "--backend=tcc", "--cpu=v3", status=1, says=says)
        apart = [layer["name"] for layer in found["layers"] if layer["apart"]]
        self.assertEqual(apart, self.LAYERS[4:])
        self.assertEqual([layer["ulp"] for layer in found["layers"][:4]], [0] * 4)
        text = self.aotc("diff", self.archive(self.MODEL), made, "--backend=tcc", "--cpu=v3", status=1, says=says)
        self.assertRegex(text, r"(?m)^> conv2d_1 +float32\[1, 16, 16, 16\]")
        self.assertRegex(text, r"(?m)^\* batch_norm_1 ")
        self.diff(self.archive(self.MODEL), made, "--backend=tcc", "--rtol=1000")

    def test_some_layers(self):
        self.compiled(self.MODEL, "--keep-intermediates=features.[0-4]")
        found = self.diff("m.so", self.archive(self.MODEL), "--backend=tcc")
        self.assertEqual([layer["name"] for layer in found["layers"]], self.LAYERS[:5] + ["output"])
        self.assertEqual((found["only_first"], found["only_second"]), (0, 7))

    def test_recorded(self):
        """Against values in a folder, by name."""
        self.compiled(self.MODEL, "--keep-intermediates=*")
        case = ARGS.fixtures / self.MODEL / "case1_in_0.npy"
        self.aotc("run", "m.so", "--inputs", case, "--outputs", "out")
        outputs = json.loads(self.aotc("inspect", "m.so", "--json"))["methods"][0]["outputs"]
        names = {port["name"][1:]: f"{i:03}.npy" for i, port in enumerate(outputs) if port.get("kept")}
        reference = self.folder / "reference"
        reference.mkdir()
        for name in ("conv2d_1", "linear"):
            (reference / f"{name}.npy").write_bytes((self.folder / "out" / names[name]).read_bytes())
        found = self.diff("m.so", "reference", "--inputs", case)
        self.assertEqual([layer["name"] for layer in found["layers"]], ["conv2d_1", "linear"])
        self.assertEqual(found["apart"], 0)
        (reference / "linear.npy").write_bytes((self.folder / "out" / names["linear_1"]).read_bytes())
        self.diff("m.so", "reference", "--inputs", case, status=1, says="linear is the first layer")
        (self.folder / "empty").mkdir()
        self.aotc("diff", "m.so", "empty", status=1, says="conv2d.npy")

    def test_renamed(self):
        """Layers that no name brings together go by module or type, in order."""
        made = self.folder / "renamed.pt2"
        with zipfile.ZipFile(self.archive(self.MODEL)) as old, zipfile.ZipFile(made, "w") as new:
            for name in old.namelist():
                content = old.read(name)
                new.writestr(name, content.replace(b'"relu__1"', b'"gelu__1"') if name.endswith(".json") else content)
        found = self.diff(self.archive(self.MODEL), made, "--backend=tcc", "--cpu=v3")
        pairs = {layer["name"]: layer["other"] for layer in found["layers"]}
        self.assertEqual((pairs["relu__1"], pairs["relu__2"]), ("gelu__1", "relu__2"))
        self.assertEqual((found["compared"], found["apart"]), (13, 0))

    def test_refusals(self):
        self.compiled("seeds/add")
        self.aotc("diff", "m.so", "m.so", status=1, says="--keep-intermediates")
        self.aotc("diff", "m.so", status=2, says="diff compares two")
        self.aotc("diff", "m.so", "m.so", "m.so", status=2, says="m.so")
        self.aotc("diff", self.archive("seeds/add"), self.archive("seeds/conv_classifier_b"), "--backend=tcc", status=1,
                  says="inputs")
        self.aotc("diff", "a", "b", "-o", "c", status=2, says="-o")
        self.aotc("diff", "a", "b", "--rtol=-1", status=2, says="--rtol")


FAKE_DOT = """#!/bin/sh
cat > "$0.graph"
[ "$1" = -Tsvg ] || exit 1
echo '<?xml version="1.0"?><!DOCTYPE svg><svg xmlns="http://www.w3.org/2000/svg"><text>a picture</text></svg>'
"""


class Inspect(Seeing):
    MODEL = "seeds/conv_classifier_b"

    def page(self, file, *words, path="/nowhere"):
        self.assertEqual(self.aotc("inspect", file, "--html", "page.html", *words, path=path), "")
        return Page(self.folder / "page.html")

    def test_artifact(self):
        page = self.page(self.compiled(self.MODEL), "--dim", "s77=4")
        for part in ("m.so", "exports aot_entry; needs nothing", "s77 from 1 to 512", "Figures are for s77 = 4",
                     "k1 features.0 conv f32[s77, 3, 32, 32]", "make_models.py:69", "1.769", "Work memory",
                     "classifier.1.weight", "x86-64-v3"):
            self.assertIn(part, page.text)
        boxes = [attributes for tag, attributes in page.seen if tag == "rect"]
        self.assertGreater(len(boxes), 4)
        for box in boxes[1:]:
            self.assertLessEqual(float(box["x"]) + float(box["width"]), 900.01)
            self.assertLessEqual(float(box["y"]) + float(box["height"]), 320.01)

    def test_archive(self):
        """Compiled for the page alone; flags of compiling count."""
        page = self.page(self.archive(self.MODEL), "--dim", "s77=2", "--winograd=off")
        for part in ("an archive of torch.export", "f32 [2, 3, 32, 32]", "conv f32[2, 3, 32, 32]", "classifier.1.weight"):
            self.assertIn(part, page.text)
        self.assertNotIn("Figures are for", page.text)

    def test_graph(self):
        so = self.compiled(self.MODEL)
        page = self.page(so)  # no dot: a list
        self.assertIn("as a list", page.text)
        self.assertRegex(page.text, r"k1 features.0 conv f32\[s77, 3, 32, 32\] x f32\[8, 3, 3, 3\] x ")
        tools = self.folder / "tools"
        tools.mkdir()
        (tools / "dot").write_text(FAKE_DOT)
        (tools / "dot").chmod(0o755)
        path = f"{tools}:{os.environ['PATH']}"
        page = self.page(so, path=path)
        self.assertIn("a picture", page.text)
        self.assertNotIn("as a list", page.text)
        graph = (tools / "dot.graph").read_text()
        self.assertRegex(graph, r'n\d+ \[shape=box, fillcolor="#d8e6f5", label="k1 features.0\\nconv f32')
        self.assertRegex(graph, r'n\d+ \[shape=ellipse, fillcolor="#fff3d0", label="x"\]')
        self.assertIn(" -> ", graph)
        for script in ("#!/bin/sh\nexit 1\n", "#!/bin/sh\necho no picture\n", "#!/bin/sh\nkill -9 $$\n"):
            (tools / "dot").write_text(script)
            self.assertIn("as a list", self.page(so, path=path).text)

    @unittest.skipUnless(shutil.which("dot"), "no dot")
    def test_graphviz(self):
        page = self.page(self.compiled(self.MODEL), path=os.environ["PATH"])
        self.assertNotIn("as a list", page.text)
        self.assertIn("k1 features.0", page.text)
        self.assertGreater(page.count("ellipse"), 0)

    def test_jar(self):
        page = self.page(self.compiled(self.MODEL, "--java-class=com.acme.Net", to="m.jar"))
        self.assertIn("m.jar:com/acme/linux-x86-64/Net.so", page.text)

    def test_hostile_text(self):
        """What a model says is text, whatever it says."""
        so = self.folder / self.compiled(self.MODEL)
        for word in (rb"</td><i>&x", rb"<!--]]>&#0", rb"""'x=\"1\"<b""", rb"\u0001" + "é<a".encode()):
            (self.folder / "hostile.so").write_bytes(so.read_bytes().replace(b"features.0", word))
            shown = json.loads(b'"' + word + b'"').replace("\x01", "?")
            for path in ("/nowhere", os.environ["PATH"]):  # the list, and Graphviz where it is installed
                self.assertIn(shown, self.page("hostile.so", path=path).text)
        made = self.folder / "hostile.pt2"
        with zipfile.ZipFile(self.archive(self.MODEL)) as old, zipfile.ZipFile(made, "w") as new:
            for name in old.namelist():
                content = old.read(name)
                new.writestr(name, content.replace(b"self.classifier(self", b"</style><script>") if name.endswith(".json")
                             else content)
        self.assertIn("</style><script>", self.page("hostile.pt2").text)
        shutil.copy(so, self.folder / "<>&.so")
        self.assertIn("<>&.so", self.page("<>&.so").text)

    def test_broken_notes(self):
        so = (self.folder / self.compiled(self.MODEL)).read_bytes()
        start, end = so.index(b'{"format"'), so.index(b"\0", so.index(b'{"format"'))
        random.seed(5)
        for _ in range(60):
            broken = bytearray(so)
            for _ in range(random.choice((1, 3))):
                broken[random.randrange(start, end)] = random.choice(b'0129-"{}[],:a\\/*(%')
            (self.folder / "broken.so").write_bytes(broken)
            done = subprocess.run([ARGS.aotc, "inspect", "broken.so", "--html", "page.html"], cwd=self.folder,
                                  capture_output=True, text=True, env={"PATH": "/nowhere"}, timeout=60)
            self.assertIn(done.returncode, (0, 1), done.stderr)
            self.assertNotRegex(done.stderr, "Sanitizer|runtime error")
            if not done.returncode:
                Page(self.folder / "page.html")

    def test_refusals(self):
        so = self.compiled("seeds/add")
        for words, message in (([so, "--dim=n=2"], "--html"), ([so, "--html", "p.html", "--winograd=off"], "--winograd"),
                               ([so, "--html", "p.html", "--dim=n"], "--dim n"), ([so, "--html=p", "-o", "q"], "-o")):
            self.aotc("inspect", *words, status=2, says=message)
        self.aotc("inspect", so, "--html", "missing/p.html", status=5, says="missing/p.html")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--aotc", required=True, type=os.path.abspath)
    parser.add_argument("--fixtures", required=True, type=lambda text: Path(text).resolve())
    parser.add_argument("-k", action="append", default=[])
    global ARGS
    ARGS = parser.parse_args()
    words = [word for k in ARGS.k for word in ("-k", k)]
    unittest.main(argv=[sys.argv[0], *words])


if __name__ == "__main__":
    main()
