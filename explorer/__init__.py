"""The app: everything Streamlit that is not one page. ``python -m explorer`` starts it."""
