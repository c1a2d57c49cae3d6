"""The page: one file per concern. Only this package and app.py import gradio."""
