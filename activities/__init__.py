"""Activities: all input and output of a run, one file per step; they import perdure and the provider's SDK."""
