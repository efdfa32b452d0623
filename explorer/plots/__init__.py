"""Numbers in, pictures out; it uses neither Streamlit nor torch."""
