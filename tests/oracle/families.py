# SPDX-License-Identifier: Apache-2.0
"""Families as rows of a table: a recipe, its adapter, a config, and the tensors of a checkpoint.

A tensor is a line, "key  dimensions  kind".  {L} runs over the layers and {E} over the experts, {x:a,b} over words;
dimensions are letters (or products, 2*I) of sizes drawn for each checkpoint.  Kinds:

    bf16 (nothing said), f32, f16    random values
    fp8        F8_E4M3 with X_scale_inv for blocks of 128x128, F32 or BF16; fp8dot: X.scale, F8_E8M0
    fp4        I8 of two codes a byte with X.scale, F8_E8M0
    mxfp4      X_blocks and X_scales, U8
    int4       X_packed I32, X_scale BF16, X_shape I64, groups of 32
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Callable

Sizes = dict[str, int]

EXPERTS = """
    {P}.experts.{E}.gate_proj.weight    I H    {Q}
    {P}.experts.{E}.up_proj.weight      I H    {Q}
    {P}.experts.{E}.down_proj.weight    H I    {Q}
"""
FRAME = """
    model.embed_tokens.weight                       V H
    model.layers.{L}.input_layernorm.weight         H
    model.layers.{L}.post_attention_layernorm.weight  H
    model.layers.{L}.self_attn.q_proj.weight        2*D H   {Q}
    model.layers.{L}.self_attn.o_proj.weight        H 2*D   {Q}
    model.layers.{L}.mlp.gate.weight                E H     f32
    model.norm.weight                               H
    lm_head.weight                                  V H
"""


def experts(prefix: str, quantized: str = "") -> str:
    return EXPERTS.replace("{P}", prefix).replace("{Q}", quantized)


def frame(quantized: str = "") -> str:
    return FRAME.replace("{Q}", quantized)


@dataclass
class Family:
    recipe: str
    adapter: str  # module:class below nemo_automodel.components.models
    config: Callable[[Sizes], dict[str, Any]]
    tensors: str
    count: str = "num_experts"  # where config.json has the number of experts
    activation: str = "swiglu"
    reverse: bool = True  # is to_hf of what from_hf gives something a view in reverse must equal?
    exact: bool = False  # and does it give the source back?
    cuts: bool = False  # does the adapter cut off stacked experts that are too many?
    layers: int = 2
    multiple: int = 1  # of which the sizes must be multiples
    arguments: dict[str, Any] = field(default_factory=dict)
    title: str = ""


def flat(model_type: str, count: str = "num_experts", **more: Any) -> Callable[[Sizes], dict[str, Any]]:
    return lambda s: {"model_type": model_type, "torch_dtype": "bfloat16", "num_hidden_layers": s["layers"],
                      "hidden_size": s["H"], "moe_intermediate_size": s["I"], "intermediate_size": s["I"], count: s["E"], **more}


def nested(model_type: str, text: dict[str, Any] | Callable[[Sizes], dict[str, Any]] = {}, count: str = "num_experts", **more: Any):
    def config(s: Sizes) -> dict[str, Any]:
        inner = text(s) if callable(text) else text
        return {"model_type": model_type, "dtype": "bfloat16", **more,
                "text_config": {"model_type": model_type + "_text", "dtype": "bfloat16", "torch_dtype": "bfloat16",
                                "num_hidden_layers": s["layers"], "hidden_size": s["H"], "moe_intermediate_size": s["I"],
                                count: s["E"], **inner}}
    return config


FP8 = {"quantization_config": {"quant_method": "fp8", "weight_block_size": [128, 128]}}
MLP = "model.layers.{L}.mlp"
TEXT = "model.language_model.layers.{L}"

FAMILIES = [
    Family("deepseek_v3", "deepseek_v3.state_dict_adapter:DeepSeekV3StateDictAdapter",
           flat("deepseek_v3", "n_routed_experts"), frame() + experts(MLP), "n_routed_experts", exact=True),
    Family("deepseek_v3", "deepseek_v3.state_dict_adapter:DeepSeekV3StateDictAdapter",
           flat("deepseek_v3", "n_routed_experts", **FP8), frame("fp8") + experts(MLP, "fp8"), "n_routed_experts", title="FP8"),
    Family("deepseek_v4", "deepseek_v4.state_dict_adapter:DeepSeekV4StateDictAdapter",
           flat("deepseek_v4", "n_routed_experts", num_nextn_predict_layers=1, num_hash_layers=1), """
    embed.weight                                V H
    {B:layers.0,layers.1,mtp.0}.attn_norm.weight    H
    {B:layers.0,layers.1,mtp.0}.ffn_norm.weight     H
    {B:layers.0,layers.1,mtp.0}.attn.attn_sink      D       f32
    {B:layers.0,layers.1,mtp.0}.attn.wq_a.weight    D H     fp8dot
    {B:layers.0,layers.1,mtp.0}.attn.compressor.ape     D H     f32
    {B:layers.0,layers.1,mtp.0}.attn.compressor.norm.weight  D
    {B:layers.0,layers.1,mtp.0}.attn.indexer.wq_b.weight     D H    fp8dot
    {B:layers.0,layers.1,mtp.0}.attn.indexer.compressor.ape  D H    f32
    {B:layers.0,layers.1,mtp.0}.attn.indexer.compressor.{x:wgate,wkv}.weight  D H
    {B:layers.0,layers.1,mtp.0}.ffn.gate.weight     E H
    layers.1.ffn.gate.bias                          E       f32
    {B:layers.0,layers.1,mtp.0}.ffn.shared_experts.{x:w1,w3}.weight  I H  fp8dot
    {B:layers.0,layers.1,mtp.0}.ffn.shared_experts.w2.weight         H I  fp8dot
    {B:layers.0,layers.1,mtp.0}.ffn.experts.{E}.{x:w1,w3}.weight     I H  fp4
    {B:layers.0,layers.1,mtp.0}.ffn.experts.{E}.w2.weight            H I  fp4
    {B:layers.0,layers.1,mtp.0}.hc_{x:attn,ffn}_{y:fn,base,scale}    D    f32
    mtp.0.{x:enorm,hnorm,norm}.weight           H
    mtp.1.attn_norm.weight                      H
    hc_head_{x:fn,base,scale}                   D   f32
    norm.weight                                 H
    head.weight                                 V H
""", "n_routed_experts", multiple=32),
    Family("qwen3_moe", "qwen3_moe.state_dict_adapter:Qwen3MoeStateDictAdapter", flat("qwen3_moe"), frame() + experts(MLP),
           exact=True),
    Family("qwen3_5_moe", "qwen3_5_moe.state_dict_adapter:Qwen3_5MoeStateDictAdapter", nested("qwen3_5_moe"), f"""
    model.language_model.embed_tokens.weight    V H
    {TEXT}.mlp.experts.gate_up_proj             E 2*I H
    {TEXT}.mlp.experts.down_proj                E H I
    {TEXT}.mlp.gate.weight                      E H
    {TEXT}.mlp.shared_expert.{{x:gate_proj,up_proj}}.weight  I H
    {TEXT}.mlp.shared_expert_gate.weight        H
    {TEXT}.linear_attn.{{x:A_log,dt_bias}}      D
    mtp.fc.weight                               H 2*H
    mtp.{{x:norm,pre_fc_norm_embedding,pre_fc_norm_hidden}}.weight  H
    mtp.layers.0.mlp.experts.gate_up_proj       E 2*I H
    mtp.layers.0.mlp.experts.down_proj          E H I
    model.visual.blocks.0.attn.qkv.weight       D H
    lm_head.weight                              V H
""", cuts=True),
    Family("qwen3_5_moe", "qwen3_5_moe.state_dict_adapter:Qwen3_5MoeStateDictAdapter", nested("qwen3_5_moe", **FP8),
           "    model.language_model.embed_tokens.weight    V H\n" + experts(TEXT + ".mlp", "fp8"), title="FP8 one by one"),
    Family("qwen3_vl_moe", "qwen3_vl_moe.state_dict_adapter:Qwen3VLMoeStateDictAdapter", nested("qwen3_vl_moe"), f"""
    model.language_model.embed_tokens.weight    V H
    {TEXT}.mlp.experts.gate_up_proj             E H 2*I
    {TEXT}.mlp.experts.down_proj                E I H   f32
    model.visual.blocks.0.attn.qkv.weight       D H
    visual.merger.weight                        D H
    lm_head.weight                              V H
""", cuts=True),
    Family("qwen3_next", "qwen3_next.state_dict_adapter:Qwen3NextStateDictAdapter", flat("qwen3_next"), frame() + experts(MLP) + """
    model.layers.{L}.linear_attn.{x:A_log,dt_bias}      D
    model.layers.{L}.mlp.shared_expert.up_proj.weight   I H
    model.layers.{L}.mlp.shared_expert_gate.weight      H
    mtp.layers.0.mlp.experts.0.up_proj.weight           I H
"""),
    Family("glm4_moe", "glm4_moe.state_dict_adapter:Glm4MoeStateDictAdapter", flat("glm4_moe", "n_routed_experts"),
           frame() + experts(MLP), "n_routed_experts", exact=True, layers=11),
    Family("minimax_m2", "minimax_m2.state_dict_adapter:MiniMaxM2StateDictAdapter", flat("minimax_m2", "num_local_experts", **FP8), """
    model.embed_tokens.weight                               V H
    model.layers.{L}.block_sparse_moe.gate.weight           E H     f32
    model.layers.{L}.block_sparse_moe.e_score_correction_bias  E    f32
    model.layers.{L}.block_sparse_moe.experts.{E}.{x:w1,w3}.weight  I H     fp8
    model.layers.{L}.block_sparse_moe.experts.{E}.w2.weight         H I     fp8
    model.layers.{L}.self_attn.q_proj.weight                D H     fp8
    lm_head.weight                                          V H
""", "num_local_experts"),
    Family("gpt_oss", "gpt_oss.state_dict_adapter:GPTOSSStateDictAdapter", flat("gpt_oss", "num_local_experts"), """
    model.embed_tokens.weight                       V H
    model.layers.{L}.mlp.router.{x:weight,bias}     E H
    model.layers.{L}.mlp.experts.gate_up_proj       E H 2*I
    model.layers.{L}.mlp.experts.down_proj          E I H
    model.layers.{L}.mlp.experts.{x:gate_up,down}_proj_bias  E H
    model.layers.{L}.self_attn.sinks                D
""", "num_local_experts", exact=True),
    Family("gpt_oss", "gpt_oss.state_dict_adapter:GPTOSSStateDictAdapter",
           flat("gpt_oss", "num_local_experts", quantization_config={"quant_method": "mxfp4"}), """
    model.embed_tokens.weight                       V H
    model.layers.{L}.mlp.router.{x:weight,bias}     E H
    model.layers.{L}.mlp.experts.gate_up_proj       E 2*I H     mxfp4
    model.layers.{L}.mlp.experts.down_proj          E H I       mxfp4
""", "num_local_experts", multiple=32, title="MXFP4"),
    Family("kimi_k25_vl", "kimi_k25_vl.state_dict_adapter:KimiK25VLStateDictAdapter",
           nested("kimi_k25", count="n_routed_experts"), """
    language_model.model.embed_tokens.weight        V H
    language_model.model.layers.{L}.mlp.gate.weight E H
    language_model.model.layers.{L}.mlp.gate.e_score_correction_bias  E  f32
    language_model.lm_head.weight                   V H
    vision_tower.encoder.blocks.0.wqkv.weight       D H     f32
    mm_projector.proj.{x:0,2}.weight                D H
    mm_projector.pre_norm.weight                    D
""" + experts("language_model.model.layers.{L}.mlp", "int4"), "n_routed_experts", multiple=32),
    Family("nemotron_v3", "nemotron_v3.state_dict_adapter:NemotronV3StateDictAdapter", flat("nemotron_h", "n_routed_experts"), """
    backbone.embeddings.weight                      V H
    backbone.layers.{L}.norm.weight                 H
    backbone.layers.{L}.mixer.{x:A_log,dt_bias,D}   D
    backbone.layers.{L}.mixer.gate.weight           E H
    backbone.layers.{L}.mixer.experts.{E}.up_proj.weight    I H
    backbone.layers.{L}.mixer.experts.{E}.down_proj.weight  H I
    backbone.layers.7.mixer.A_log                   D
    mtp.layers.0.mixer.experts.{E}.up_proj.weight   I H
    mtp.layers.0.mixer.experts.{E}.down_proj.weight H I
    backbone.norm_f.weight                          H
    lm_head.weight                                  V H
""", "n_routed_experts", activation="relu2"),
    Family("gemma4_moe", "gemma4_moe.state_dict_adapter:Gemma4MoEStateDictAdapter",
           nested("gemma4", {"enable_moe_block": True}), f"""
    model.language_model.embed_tokens.weight        V H
    {TEXT}.router.proj.weight                       E H
    {TEXT}.router.scale                             H
    {TEXT}.router.per_expert_scale                  E
    {TEXT}.experts.gate_up_proj                     E 2*I H
    {TEXT}.experts.down_proj                        E H I
    model.vision_tower.patch_embedder.weight        D H     f32
""", cuts=True),
    Family("laguna", "laguna.state_dict_adapter:LagunaStateDictAdapter", flat("laguna"), frame() + experts(MLP) + """
    model.layers.{L}.mlp.experts.e_score_correction_bias    E   f32
    model.layers.{L}.mlp.shared_expert.up_proj.weight       I H
""", exact=True),
    Family("hy_v3", "hy_v3.state_dict_adapter:HYV3StateDictAdapter", flat("hy_v3"), frame() + experts(MLP) + """
    model.layers.{L}.mlp.expert_bias                E   f32
    model.layers.9.input_layernorm.weight           H
"""),
    Family("step3p5", "step3p5.state_dict_adapter:Step3p5StateDictAdapter", flat("step3p5"), """
    model.layers.{L}.moe.{x:gate_proj,up_proj}.weight   E I H
    model.layers.{L}.moe.down_proj.weight               E H I
    model.layers.{L}.moe.router_bias                    E   f32
    model.layers.{L}.moe.gate.weight                    E H
""", exact=True),
    Family("kimi_linear", "kimi_linear.state_dict_adapter:KimiLinear48BStateDictAdapter", flat("kimi_linear"), """
    model.embed_tokens.weight                                   V H
    model.layers.{L}.block_sparse_moe.experts.{E}.{x:w1,w3}.weight  I H
    model.layers.{L}.block_sparse_moe.experts.{E}.w2.weight     H I
    model.layers.{L}.block_sparse_moe.gate.weight               E H
    model.layers.{L}.block_sparse_moe.gate.e_score_correction_bias  E
    model.layers.{L}.self_attn.{x:A_log,dt_bias}                D
"""),
]
