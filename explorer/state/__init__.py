"""What a person chose; it knows neither Streamlit nor torch."""
