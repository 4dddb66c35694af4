"""The pages, as browsers see them."""
