"""The report page: one HTML file that needs nothing else.

`facts.py` says what is known of a run, `views.py` brings it into the shape that the templates print, `charts.py` draws,
`page.py` joins them and guards the result by a content-security policy.
"""
