# SPDX-License-Identifier: MIT
"""As much of ELF64 as the tests of artifacts look at, read with the standard library."""
import struct
from collections import namedtuple

PT_LOAD, PT_DYNAMIC, PT_GNU_STACK, PT_GNU_RELRO = 1, 2, 0x6474E551, 0x6474E552
PT_GNU_EH_FRAME = 0x6474E550
PF_X, PF_W = 1, 2
DT_NEEDED, DT_TEXTREL, DT_INIT, DT_FINI, DT_INIT_ARRAY, DT_FLAGS, DF_TEXTREL = 1, 22, 12, 13, 25, 30, 4
SHF_WRITE, SHN_UNDEF = 1, 0

Segment = namedtuple("Segment", "type flags offset vaddr paddr filesz memsz align")
Section = namedtuple("Section", "name type flags addr offset size link info align entsize")
Symbol = namedtuple("Symbol", "name info other section value size")


def text_at(data, at):
    return data[at:data.index(0, at)].decode()


class Elf:
    """A file's segments, sections by name, dynamic tags and symbols."""

    def __init__(self, path):
        self.data = path.read_bytes()
        assert self.data[:6] == b"\x7fELF\2\1", "no little-endian ELF64"
        head = struct.unpack_from("<HHIQQQIHHHHHH", self.data, 16)
        segments, sections, size, count, each, number, names = head[4], head[5], *head[8:13]
        self.segments = [self.segment(segments + i * size) for i in range(count)]
        rows = [struct.unpack_from("<IIQQQQIIQQ", self.data, sections + i * each) for i in range(number)]
        base = rows[names][4]
        self.order = [Section(text_at(self.data, base + row[0]), *row[1:]) for row in rows]
        self.sections = {section.name: section for section in self.order}

    def segment(self, at):
        kind, flags, *rest = struct.unpack_from("<IIQQQQQQ", self.data, at)
        return Segment(kind, flags, *rest)

    def of_type(self, kind):
        return [segment for segment in self.segments if segment.type == kind]

    def dynamic(self):
        """{tag: [values]}"""
        tags = {}
        where, = self.of_type(PT_DYNAMIC)
        for at in range(where.offset, where.offset + where.filesz, 16):
            tag, value = struct.unpack_from("<QQ", self.data, at)
            tags.setdefault(tag, []).append(value)
        return tags

    def unwind_rows(self, table):
        """(function, record) of .eh_frame_hdr, as addresses."""
        assert self.data[table.offset:table.offset + 4] == b"\x01\x1b\x03\x3b", "another form of .eh_frame_hdr"
        count, = struct.unpack_from("<I", self.data, table.offset + 8)
        pairs = struct.iter_unpack("<ii", self.data[table.offset + 12:table.offset + 12 + 8 * count])
        return [(table.addr + function, table.addr + record) for function, record in pairs]

    def symbols(self, table):
        """Those of .dynsym or .symtab, without the null symbol."""
        section = self.sections[table]
        names = self.order[section.link].offset
        made = []
        for at in range(section.offset + 24, section.offset + section.size, 24):
            name, *rest = struct.unpack_from("<IBBHQQ", self.data, at)
            made.append(Symbol(text_at(self.data, names + name), *rest))
        return made
