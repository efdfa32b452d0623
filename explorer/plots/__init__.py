"""Numbers in, pictures out; it knows neither Streamlit nor torch."""
