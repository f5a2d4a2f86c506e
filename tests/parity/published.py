# SPDX-License-Identifier: MIT
"""The prebuilt models in transformers, torchvision, or PyTorch alone, of the sizes that models.cpp has."""
import dataclasses
import typing

import torch
from torch import nn


@dataclasses.dataclass
class Published:
    """A model, what it is given, and how remat spells its parameters.

    make        a new module, without dropout
    inputs      of a batch and a random generator
    classes     targets are below it
    outputs     of the module and the inputs: what `predict` gives, before the loss
    logits      the same as they go to the loss; classes along the last extent, of images along dim 1
    spelled     pairs: what PyTorch has in names of parameters, and what remat has
    """
    make: typing.Callable
    inputs: typing.Callable
    classes: int
    logits: typing.Callable
    outputs: typing.Callable = None
    spelled: tuple = ()
    batch: int = 3
    kinks: str = "none"  # "avoided" by the choice of samples, or "met": then gradients are not compared
    is_transposed: typing.Callable = lambda name: False


def replaced(name, pairs):
    for old, new in pairs:
        name = name.replace(old, new, 1)
    return name


def tokens(vocabulary, length):
    return lambda batch, random: [torch.randint(0, vocabulary, (batch, length), generator=random)]


def padded(vocabulary, length):
    """Token 0 is padding, whose row transformers gives no gradient; the mask hides others, too."""
    def draw(batch, random):
        lengths = torch.randint(1, length + 1, (batch, 1), generator=random)
        mask = (torch.arange(length) < lengths).long()
        return [torch.randint(1, vocabulary, (batch, length), generator=random),
                torch.randint(0, 2, (batch, length), generator=random), mask]
    return draw


def photos(height, width):
    return lambda batch, random: [torch.randn((batch, 3, height, width), generator=random)]


def logits_of(module, inputs):
    return module(*inputs).logits


def of_transformers():
    """Those of the package transformers."""
    import transformers as hf
    from transformers.models.llama.modeling_llama import LlamaRMSNorm

    def norm(self, x):  # theirs computes in float32, whatever x is
        return self.weight * x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.variance_epsilon)

    LlamaRMSNorm.forward = norm
    hf.logging.set_verbosity_error()
    hf.logging.disable_progress_bar()

    def gpt2():
        return hf.GPT2LMHeadModel(hf.GPT2Config(
            vocab_size=61, n_positions=40, n_embd=24, n_head=3, n_layer=3, resid_pdrop=0, embd_pdrop=0, attn_pdrop=0,
            bos_token_id=0, eos_token_id=0))

    def llama(**changed):
        return hf.LlamaForCausalLM(hf.LlamaConfig(**{**dict(
            vocab_size=43, hidden_size=24, num_attention_heads=4, num_key_value_heads=2, num_hidden_layers=3,
            intermediate_size=40, rms_norm_eps=1e-6, max_position_embeddings=64), **changed}))

    scaled = dict(rope_type="llama3", rope_theta=500000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                  original_max_position_embeddings=16)
    tied = dict(num_hidden_layers=2, num_key_value_heads=1, rms_norm_eps=1e-5, tie_word_embeddings=True)

    def bert(kind):
        return lambda: kind(hf.BertConfig(
            vocab_size=37, max_position_embeddings=20, hidden_size=16, num_attention_heads=2, num_hidden_layers=2,
            intermediate_size=40, hidden_dropout_prob=0, attention_probs_dropout_prob=0, num_labels=3))

    def bert_logits(module, inputs):
        words, types, mask = inputs
        return module(words, token_type_ids=types, attention_mask=mask).logits

    def vit():
        return hf.ViTForImageClassification(hf.ViTConfig(
            image_size=16, patch_size=4, hidden_size=16, num_attention_heads=2, num_hidden_layers=2,
            intermediate_size=40, layer_norm_eps=1e-6, num_labels=5))

    conv1d = {"is_transposed": lambda name: any(f".{part}.weight" in name for part in ("c_attn", "c_proj", "c_fc"))}
    decoder = (("predictions.bias", "predictions.decoder.bias"),)
    newer = (("vit.layers.", "vit.encoder.layer."), ("attention.q_proj", "attention.attention.query"),
             ("attention.k_proj", "attention.attention.key"), ("attention.v_proj", "attention.attention.value"),
             ("attention.o_proj", "attention.output.dense"), ("mlp.fc1", "intermediate.dense"),
             ("mlp.fc2", "output.dense"))
    return {
        "gpt2": Published(gpt2, tokens(61, 33), 61, logits_of, **conv1d),
        "gpt2_loss": Published(gpt2, tokens(61, 33), 61, logits_of, **conv1d,
                               outputs=lambda m, x: m.transformer(*x).last_hidden_state),
        "llama": Published(lambda: llama(rope_parameters=scaled), tokens(43, 33), 43, logits_of),
        "llama_tied": Published(lambda: llama(**tied), tokens(43, 33), 43, logits_of,
                                outputs=lambda m, x: m.model(*x).last_hidden_state),
        "bert": Published(bert(hf.BertForSequenceClassification), padded(37, 17), 3, bert_logits),
        "bert_tokens": Published(bert(hf.BertForTokenClassification), padded(37, 17), 3, bert_logits),
        "bert_masked_lm": Published(bert(hf.BertForMaskedLM), padded(37, 17), 37, bert_logits, spelled=decoder),
        "vit": Published(vit, photos(16, 16), 5, logits_of, spelled=newer),
    }


def of_torchvision():
    """Those of the package torchvision."""
    from torchvision import models

    def call(module, inputs):
        return module(*inputs)

    def vit():
        made = models.VisionTransformer(image_size=16, patch_size=4, num_layers=2, num_heads=2, hidden_dim=16,
                                        mlp_dim=40, num_classes=5)
        nn.init.normal_(made.heads.head.weight)  # it starts at 0
        return made

    def resnet(kind):
        made = kind(num_classes=7)
        for relu in made.modules():
            if isinstance(relu, nn.ReLU):
                relu.inplace = False  # what it is given is looked at after it
        return made

    return {
        "torchvision_vit": Published(vit, photos(16, 16), 5, call, spelled=(("encoder_layer_", ""),)),
        "resnet18": Published(lambda: resnet(models.resnet18), photos(40, 36), 7, call, batch=5, kinks="avoided"),
        "resnet50": Published(lambda: resnet(models.resnet50), photos(40, 36), 7, call, batch=5, kinks="met"),
    }


class Pair(nn.Sequential):
    def __init__(self, inputs, outputs):
        super().__init__()
        for i, channels in (1, inputs), (2, outputs):
            self.add_module(f"conv{i}", nn.Conv2d(channels, outputs, 3, padding=1, bias=False))
            self.add_module(f"bn{i}", nn.BatchNorm2d(outputs))
            self.add_module(f"relu{i}", nn.ReLU())


class UNet(nn.Module):
    """remat::models::unet."""

    def __init__(self, channels, classes, width, depth):
        super().__init__()
        self.depth = depth
        for level in range(1, depth + 1):
            wide = width << (level - 1)
            self.add_module(f"down{level}", Pair(channels if level == 1 else wide // 2, wide))
            self.add_module(f"up{level}", nn.ConvTranspose2d(2 * wide, wide, 2, 2))
            self.add_module(f"mix{level}", Pair(2 * wide, wide))
        self.middle = Pair(width << (depth - 1), width << depth)
        self.head = nn.Conv2d(width, classes, 1)
        self.pool = nn.MaxPool2d(2)

    def level(self, x, level):
        if level > self.depth:
            return self.middle(x)
        down = self.get_submodule(f"down{level}")(x)
        up = self.get_submodule(f"up{level}")(self.level(self.pool(down), level + 1))
        return self.get_submodule(f"mix{level}")(torch.cat((up, down), 1))

    def forward(self, x):
        return self.head(self.level(x, 1))


def of_torch():
    return {"unet": Published(lambda: UNet(3, 4, 6, 2), photos(12, 8), 4, lambda module, inputs: module(*inputs),
                              kinks="avoided")}


def named(name):
    """The model of a name; ModuleNotFoundError where its package is not installed."""
    for package in of_torch, of_torchvision, of_transformers:
        if name in (found := package()):
            return found[name]
    raise SystemExit(f"no model is named '{name}'")
