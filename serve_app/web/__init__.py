"""The pages: one module of routes for each part in `pages`, one template for each page in `templates`."""
