"""From photographs and videos to expressions, with what was trained.

A trained run as one file that other programs can use without fewshot_fer or torch.
"""
