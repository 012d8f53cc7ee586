"""The findings of a proof: what each means, and how it is found."""
