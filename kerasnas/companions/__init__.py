"""Linear models next to networks: n-grams, random kernels, propagated features. Internal: modalities name them."""
