"""The runs of the forecast's benchmark, their models, and the fit of the constants."""
