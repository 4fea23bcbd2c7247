"""C sources of a model for TensorFlow Lite Micro: an array, its header, and a program that classifies one sample."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from kerasnas.export.loaded import Quantization

HEADER, CODE, MAIN = "model_data.h", "model_data.c", "main.cc"
_HEADER = """\
// A network in integers of 8 bits for TensorFlow Lite Micro, written by KerasNAS.
//
// Input: {size} int8 numbers of shape {shape}, {stored}.
// Output: an int8 number of each of MODEL_OUTPUTS, (y - MODEL_OUTPUT_ZERO_POINT) * MODEL_OUTPUT_SCALE.
// Operators: {operators}.
// MODEL_ARENA_SIZE is what the interpreter took on a computer with pointers of 64 bits and its portable kernels;
// kernels of a chip, such as CMSIS-NN's, may take buffers of their own: see interpreter.arena_used_bytes().
#ifndef MODEL_DATA_H_
#define MODEL_DATA_H_

#include <stdint.h>

#define MODEL_SIZE {bytes}
#define MODEL_ARENA_SIZE {arena}
#define MODEL_INPUT_SIZE {size}
{input_scale}
#define MODEL_INPUT_ZERO_POINT ({input_zero})
#define MODEL_OUTPUTS {outputs}
#define MODEL_OUTPUT_SCALE {output_scale}
#define MODEL_OUTPUT_ZERO_POINT ({output_zero})

#ifdef __cplusplus
extern "C" {{
#endif

extern const uint8_t model_data[MODEL_SIZE];
extern const char* const model_classes[MODEL_OUTPUTS];

#ifdef __cplusplus
}}
#endif

#endif  // MODEL_DATA_H_
"""
_CHANNELS = """\
#define MODEL_INPUT_CHANNELS {channels}
static const float model_input_scale[MODEL_INPUT_CHANNELS] = {{
{scales}
}};
static const float model_input_offset[MODEL_INPUT_CHANNELS] = {{
{offsets}
}};"""
_STORED = "round(x / MODEL_INPUT_SCALE) + MODEL_INPUT_ZERO_POINT"
_STORED_BY_CHANNEL = """\
channels last, of channel c
// round((x - model_input_offset[c]) / model_input_scale[c]) + MODEL_INPUT_ZERO_POINT, at least -128 and at most 127;
// where a number is missing, as in the padding of series, MODEL_INPUT_ZERO_POINT"""
_CODE = """\
#include "model_data.h"

#if defined(__GNUC__) || defined(__clang__)
__attribute__((aligned(16)))
#endif
const uint8_t model_data[MODEL_SIZE] = {{
{data}
}};

const char* const model_classes[MODEL_OUTPUTS] = {{
{classes}
}};
"""
_MAIN = """\
// Classifies one sample: the first of the training data. Compile it with model_data.c and TensorFlow Lite Micro.
#include "model_data.h"
#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/micro/micro_log.h"
#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"
#include "tensorflow/lite/micro/system_setup.h"
#include "tensorflow/lite/schema/schema_generated.h"

namespace {{

alignas(16) uint8_t arena[MODEL_ARENA_SIZE];

const int8_t sample[MODEL_INPUT_SIZE] = {{
{sample}
}};

}}  // namespace

int main() {{
  tflite::InitializeTarget();
  tflite::MicroMutableOpResolver<{number}> resolver;
{operators}

  tflite::MicroInterpreter interpreter(tflite::GetModel(model_data), resolver, arena, MODEL_ARENA_SIZE);
  if (interpreter.AllocateTensors() != kTfLiteOk) return 1;
  for (int i = 0; i < MODEL_INPUT_SIZE; ++i) interpreter.input(0)->data.int8[i] = sample[i];
  if (interpreter.Invoke() != kTfLiteOk) return 1;

  const int8_t* answers = interpreter.output(0)->data.int8;
  int best = 0;
  for (int i = 0; i < MODEL_OUTPUTS; ++i) {{
    MicroPrintf("%d  %s", answers[i] - MODEL_OUTPUT_ZERO_POINT, model_classes[i]);
    if (answers[i] > answers[best]) best = i;
  }}
  MicroPrintf("The largest: %s", model_classes[best]);
  return 0;
}}
"""


def write_sources(
    path: Path,
    content: bytes,
    classes: Sequence[str],
    inputs: Quantization,
    outputs: Quantization,
    arena: int,
    methods: Sequence[str],
    sample: np.ndarray,
) -> None:
    """Write the sources of a model to the folder `path`.

    Args:
        path: the folder.
        content: the model as LiteRT has it.
        classes: a name for each of its outputs.
        inputs, outputs: their quantization.
        arena: bytes of the arena.
        methods: of `MicroMutableOpResolver`, without `Add`, one for each operator.
        sample: int8, without the batch.
    """
    size, shape = sample.size, "x".join(map(str, sample.shape))
    if channels := inputs.channels:
        scales, offsets = (_rows(map(_float, numbers), 8) for numbers in zip(*channels, strict=True))
        stored, scale = _STORED_BY_CHANNEL, _CHANNELS.format(channels=len(channels), scales=scales, offsets=offsets)
    else:
        pixels = ": a pixel minus 128" if (inputs.scale, inputs.zero_point) == (1, -128) else ""
        stored, scale = _STORED + pixels, f"#define MODEL_INPUT_SCALE {_float(inputs.scale)}"
    header = _HEADER.format(
        size=size,
        shape=shape,
        stored=stored,
        operators=", ".join(methods),
        bytes=len(content),
        arena=arena,
        input_scale=scale,
        input_zero=inputs.zero_point,
        outputs=len(classes),
        output_scale=_float(outputs.scale),
        output_zero=outputs.zero_point,
    )
    code = _CODE.format(
        data=_rows(f"0x{byte:02x}" for byte in content), classes=",\n".join(f"    {_string(name)}" for name in classes)
    )
    registered = "\n".join(f"  if (resolver.Add{name}() != kTfLiteOk) return 1;" for name in methods)
    main = _MAIN.format(sample=_rows(map(str, sample.ravel())), number=len(methods), operators=registered)
    for name, text in ((HEADER, header), (CODE, code), (MAIN, main)):
        (path / name).write_text(text, encoding="ascii")


def _float(value: float) -> str:
    """Return a number as C reads it, with a point: `1` is no float of its own."""
    return f"{float(np.float32(value))!r}f"


def _rows(cells: Iterable[str], width: int = 16) -> str:
    cells = list(cells)
    return "\n".join(f"    {', '.join(cells[i : i + width])}," for i in range(0, len(cells), width))


def _string(text: str) -> str:
    """Return a name as a string of C, in UTF-8; each byte that is no letter, digit or space of ASCII is escaped."""
    plain = {ord(" "), ord("_"), ord("-"), *range(48, 58), *range(65, 91), *range(97, 123)}
    return '"' + "".join(chr(byte) if byte in plain else f"\\{byte:03o}" for byte in text.encode()) + '"'
