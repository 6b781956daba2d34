"""What Relook's figures are measured with: `python -m bench [NAME ..]`, one result file for each name."""
