"""The addresses of the client's pages."""

from django.contrib.auth.views import LogoutView
from django.urls import URLPattern, URLResolver, path

from portal import views

app_name = "portal"
urlpatterns: list[URLPattern | URLResolver] = [
    path("", views.TerminalView.as_view(), name="terminal"),
    path("login/", views.ClientLoginView.as_view(), name="login"),
    path("logout/", LogoutView.as_view(next_page="portal:login"), name="logout"),
    path("password/", views.PasswordView.as_view(), name="password"),
    path("password/done/", views.PasswordDoneView.as_view(), name="password-done"),
]
