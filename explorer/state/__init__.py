"""The state of the app: what a user chose. It uses neither Streamlit nor torch."""
