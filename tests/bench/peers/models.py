# SPDX-License-Identifier: MIT
"""The models that bench.py races: a few of our own, and any of torchvision by its name.

Weights are random, from a fixed seed; batch norms have seen data, so that values stay in a usual range."""
import torch
from torch import nn
from torch.nn import functional as F

DEFAULT = ("add", "mlp", "conv_classifier", "lstm", "encoder", "decoder", "unet", "resnet18", "resnet50", "mobilenet_v2",
           "efficientnet_b0", "convnext_tiny", "vit_b_16")


class Add(nn.Module):
    def forward(self, x, y):
        return x + y


class Lstm(nn.Module):
    """A label for each token."""

    def __init__(self, words=2000, width=64, hidden=128, labels=9):
        super().__init__()
        self.embed = nn.Embedding(words, width)
        self.lstm = nn.LSTM(width, hidden, batch_first=True, bidirectional=True)
        self.head = nn.Linear(2 * hidden, labels)

    def forward(self, tokens):
        return self.head(self.lstm(self.embed(tokens))[0])


class Block(nn.Module):
    """A layer of a decoder: causal attention, then two linear layers."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        batch, length, width = x.shape
        parts = self.qkv(self.norm1(x)).view(batch, length, 3, self.heads, width // self.heads)
        q, k, v = parts.permute(2, 0, 3, 1, 4)
        a = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(a.transpose(1, 2).reshape(batch, length, width))
        return x + self.down(F.gelu(self.up(self.norm2(x))))


class Decoder(nn.Module):
    """A language model over a whole prompt, with the head at its last token."""

    def __init__(self, words=8000, length=128, width=384, heads=6, layers=6):
        super().__init__()
        self.words, self.places = nn.Embedding(words, width), nn.Embedding(length, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens):
        x = self.words(tokens) + self.places.weight[:tokens.shape[1]]
        for block in self.blocks:
            x = block(x)
        return F.linear(self.norm(x)[:, -1], self.words.weight)


def pair(i, o):
    return nn.Sequential(nn.Conv2d(i, o, 3, padding=1), nn.BatchNorm2d(o), nn.ReLU(), nn.Conv2d(o, o, 3, padding=1),
                         nn.BatchNorm2d(o), nn.ReLU())


class Unet(nn.Module):
    def __init__(self, widths=(16, 32, 64, 128)):
        super().__init__()
        self.down = nn.ModuleList(pair(i, o) for i, o in zip((3, *widths), widths))
        self.up = nn.ModuleList(nn.ConvTranspose2d(o, i, 2, 2) for i, o in zip(widths, widths[1:]))
        self.join = nn.ModuleList(pair(2 * i, i) for i in widths[:-1])
        self.head = nn.Conv2d(widths[0], 2, 1)

    def forward(self, x):
        kept = []
        for step in self.down:
            x = step(F.max_pool2d(x, 2) if kept else x)
            kept.append(x)
        for up, join, skip in zip(reversed(self.up), reversed(self.join), reversed(kept[:-1])):
            x = join(torch.cat([up(x), skip], 1))
        return self.head(x)


def classifier():
    return nn.Sequential(nn.Conv2d(3, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
                         nn.Conv2d(32, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(2),
                         nn.Flatten(), nn.Linear(64 * 8 * 8, 128), nn.ReLU(), nn.Linear(128, 10))


def encoder():
    return nn.TransformerEncoder(nn.TransformerEncoderLayer(256, 4, 1024, 0.0, "gelu", batch_first=True, norm_first=True),
                                 4, enable_nested_tensor=False)


OWN = {
    "add": (Add, lambda: (torch.randn(1, 1024), torch.randn(1, 1024))),
    "mlp": (lambda: nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10)), lambda: (torch.randn(1, 784),)),
    "conv_classifier": (classifier, lambda: (torch.randn(1, 3, 32, 32),)),
    "lstm": (Lstm, lambda: (torch.randint(0, 2000, (1, 32)),)),
    "encoder": (encoder, lambda: (torch.randn(1, 128, 256),)),
    "decoder": (Decoder, lambda: (torch.randint(0, 8000, (1, 128)),)),
    "unet": (Unet, lambda: (torch.randn(1, 3, 128, 128),)),
}


def settle(module, inputs):
    """Gives batch norms the statistics of the inputs."""
    norms = [m for m in module.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    for m in norms:
        m.momentum = None
        m.train()
    if norms:
        module(*inputs)
    for m in norms:
        m.momentum = 0.1


@torch.no_grad()
def make(name):
    """The module in eval mode and a tuple of inputs."""
    torch.manual_seed(20240611)
    if name in OWN:
        module, inputs = OWN[name][0](), OWN[name][1]()
    else:
        import torchvision

        module, inputs = torchvision.models.get_model(name, weights=None), (torch.randn(1, 3, 224, 224),)
    module.eval()
    settle(module, inputs)
    return module.eval(), inputs
