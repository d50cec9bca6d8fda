from services.auth.app import service
from shared.runtime import main

main(service)
