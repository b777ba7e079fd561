"""The library: what `import fewshot_fer` offers in scripts and notebooks."""
