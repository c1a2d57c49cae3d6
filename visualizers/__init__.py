"""What the page shows: records of a run in, figures out. Only `panels` and app.py know about gradio."""
